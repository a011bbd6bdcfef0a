package middleware

import (
	"bytes"
	"fmt"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"strconv"

	"github.com/larderhq/larder/internal/policy"
)

// part answers a Range request from a stored 200 (RFC 9110 §14.2, RFC 9111 §3.4). It reports the status and body in the place
// of 200 and the whole, having set the fields that describe them.
func (x *exchange) part(s *response) (status int, body []byte) {
	h := x.w.Header()
	lines := x.r.Header["Range"]
	if len(lines) != 1 || !x.ifRange(s) {
		return whole(h, s)
	}
	ranges, outcome := policy.ParseRange(lines[0], int64(len(s.Body)))
	switch {
	case outcome == policy.Unsatisfiable:
		x.rt.c.untarget(h) // nobody should keep the refusal, least of all a CDN, or take it for the representation
		for _, name := range [...]string{"Cache-Control", "Content-Encoding", "Content-Type", "Etag", "Expires", "Last-Modified"} {
			delete(h, name)
		}
		h.Set("Content-Range", "bytes */"+strconv.Itoa(len(s.Body)))
		h.Set("Content-Length", "0")
		return http.StatusRequestedRangeNotSatisfiable, nil
	case outcome == policy.Whole:
		return whole(h, s)
	case len(ranges) == 1:
		body = s.Body[ranges[0].Start : ranges[0].Start+ranges[0].Length]
		h.Set("Content-Range", contentRange(ranges[0], len(s.Body)))
	default:
		body = x.parts(s, ranges)
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	return http.StatusPartialContent, body
}

func whole(h http.Header, s *response) (int, []byte) {
	h["Content-Length"] = s.length
	return http.StatusOK, s.Body
}

// ifRange reports whether If-Range, where there is one, lets Range count. A date is as strong as the stored Date makes it
// (RFC 9110 §8.8.2.2), which a fresh one does not change.
func (x *exchange) ifRange(s *response) bool {
	lines := x.r.Header["If-Range"]
	if len(lines) == 0 {
		return true
	}
	tag := ""
	if s.hasTag {
		tag = s.tag.String()
	}
	return len(lines) == 1 && policy.IfRange(lines[0], tag, s.lastModified, first(s.date))
}

func contentRange(r policy.ByteRange, size int) string {
	return fmt.Sprintf("bytes %d-%d/%d", r.Start, r.Start+r.Length-1, size)
}

// parts is the multipart/byteranges body of several ranges (RFC 9110 §14.6).
func (x *exchange) parts(s *response, ranges []policy.ByteRange) []byte {
	h := x.w.Header()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for _, r := range ranges {
		fields := textproto.MIMEHeader{"Content-Range": {contentRange(r, len(s.Body))}}
		if contentType := h.Get("Content-Type"); contentType != "" {
			fields["Content-Type"] = []string{contentType}
		}
		p, _ := w.CreatePart(fields)                // a bytes.Buffer
		_, _ = p.Write(s.Body[r.Start:][:r.Length]) // takes everything
	}
	_ = w.Close()
	h.Set("Content-Type", "multipart/byteranges; boundary="+w.Boundary())
	return b.Bytes()
}
