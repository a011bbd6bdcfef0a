package invalidation

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
)

// A payload is one byte of format, then for each record its selector in eight bytes and one of flags.
const (
	payloadFormat = 1
	recordSize    = 9
	softFlag      = 1
	maxRecords    = 4096 // in one payload
)

// payloads encodes records, in more than one payload if there are many. An empty list, unlike nil, is a payload as well: one that
// invalidates nothing.
func payloads(records []Record) []string {
	if records == nil {
		return nil
	}
	all := []string{payload(records[:min(len(records), maxRecords)])}
	for len(records) > maxRecords {
		records = records[maxRecords:]
		all = append(all, payload(records[:min(len(records), maxRecords)]))
	}
	return all
}

func payload(records []Record) string {
	b := make([]byte, 1, 1+len(records)*recordSize)
	b[0] = payloadFormat
	for _, r := range records {
		b = binary.BigEndian.AppendUint64(b, uint64(r.Selector))
		if r.Soft {
			b = append(b, softFlag)
		} else {
			b = append(b, 0)
		}
	}
	return string(b)
}

// parsePayload reads a payload. What it cannot read, perhaps because a later release wrote it, invalidates everything.
func parsePayload(p string) []Record {
	if p == "" || p[0] != payloadFormat || len(p)%recordSize != 1 {
		return []Record{{Selector: All}}
	}
	records := make([]Record, 0, len(p)/recordSize)
	for p = p[1:]; p != ""; p = p[recordSize:] {
		selector := Selector(binary.BigEndian.Uint64([]byte(p[:8])))
		if p[8] > softFlag {
			return []Record{{Selector: All}}
		}
		records = append(records, Record{selector, p[8] == softFlag})
	}
	return records
}

func (a id) String() string {
	if a == (id{}) {
		return "-"
	}
	return strconv.FormatUint(a.millis, 10) + "-" + strconv.FormatUint(a.seq, 10)
}

func parseID(s string) (id, error) {
	millis, seq, _ := strings.Cut(s, "-")
	m, err := strconv.ParseUint(millis, 10, 64)
	if err != nil {
		return id{}, err
	}
	n, err := strconv.ParseUint(seq, 10, 64)
	return id{m, n}, err
}

func formatGeneration(g uint64) string { return fmt.Sprintf("%016x", g) }

// parseGeneration returns 0, which is nobody's generation, for a text that is none.
func parseGeneration(s string) uint64 {
	g, err := strconv.ParseUint(s, 16, 64)
	if err != nil || len(s) != 16 {
		return 0
	}
	return g
}
