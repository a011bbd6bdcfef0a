package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"unsafe"

	"github.com/redis/go-redis/v9"
)

// maxValue is the longest string that Redis takes.
const maxValue = 512 << 20

// get is a GET command. It is used again with other keys, as making one takes four allocations.
type get struct {
	cmd  redis.Cmder
	key  *string   // an argument of cmd
	text []byte    // what key points into, as the caller's memory may be gone before the command is
	into *receiver // nil: cmd is a StringCmd, which brings memory of its own
}

// newGet returns a GET without a key. A raw one reads the value into memory that is used again. The client does not look at its
// reply, so a client that has to follow redirections cannot use it.
func newGet(raw bool) *get {
	g := &get{key: new(string)}
	if raw {
		g.into = new(receiver)
		g.cmd = redis.NewRawWriteToCmd(context.Background(), g.into, "get", g.key)
	} else {
		g.cmd = redis.NewStringCmd(context.Background(), "get", g.key)
	}
	return g
}

// ask makes g a GET of key. keep says that the caller is going to keep the value.
func (g *get) ask(key string, keep bool) {
	if g.into != nil {
		g.into.keep = keep
	}
	g.text = append(g.text[:0], key...)
	*g.key = unsafe.String(unsafe.SliceData(g.text), len(g.text))
}

// value returns what the GET brought. Each caller calls it once, and releases the value itself.
func (g *get) value() (Value, error) {
	if err := g.cmd.Err(); err != nil {
		return Value{}, err
	}
	if plain, ok := g.cmd.(*redis.StringCmd); ok {
		b, err := plain.Bytes()
		return Value{Bytes: b}, err
	}
	return g.into.value()
}

func (g *get) size() int {
	if plain, ok := g.cmd.(*redis.StringCmd); ok {
		return len(plain.Val())
	}
	return g.into.size
}

func (g *get) reset() {
	*g.key = ""
	g.cmd.SetErr(nil)
	if plain, ok := g.cmd.(*redis.StringCmd); ok {
		plain.SetVal("")
		return
	}
	g.into.reset()
}

// receiver takes a reply as a RawWriteToCmd hands it over: a line, the end of the line, and of a string then the bytes.
type receiver struct {
	keep bool // somebody is going to keep the bytes, which then take no more memory than they need
	size int
	text []byte  // the bytes and the end of their line
	buf  *buffer // that text is in, or nil
	err  error   // there is no value
}

var errReply = errors.New("store: unexpected reply")

// Write takes the line, and its end. Of several, as where attributes come before the reply, the last one counts.
func (r *receiver) Write(line []byte) (int, error) {
	if string(line) == "\r\n" {
		return len(line), nil
	}
	r.reset()
	switch {
	case string(line) == "$-1" || string(line) == "_":
		r.err = redis.Nil
	case line[0] == '$':
		n, err := strconv.Atoi(string(line[1:]))
		if err != nil || n < 0 || n > maxValue {
			return 0, fmt.Errorf("%w: %.40q", errReply, line)
		}
		r.size = n
	case line[0] == '-': // in the server's own words
		r.err = fmt.Errorf("%.200s", line[1:])
	default:
		r.err = fmt.Errorf("%w: %.100q", errReply, line)
	}
	return len(line), nil
}

// ReadFrom takes the bytes and the end of their line, without another buffer between the socket and ours.
func (r *receiver) ReadFrom(from io.Reader) (int64, error) {
	if r.err != nil {
		return io.Copy(io.Discard, from)
	}
	size := r.size + len("\r\n")
	if !r.keep {
		r.buf = newBuffer(size)
	}
	if r.buf != nil {
		r.text = r.buf.bytes[:size]
	} else {
		r.text = make([]byte, size)
	}
	n, err := io.ReadFull(from, r.text)
	return int64(n), err
}

func (r *receiver) value() (Value, error) {
	if r.err != nil || r.text == nil {
		return Value{}, r.err
	}
	if r.buf != nil {
		r.buf.refs.Add(1)
	}
	return Value{Bytes: r.text[:r.size:r.size], buf: r.buf}, nil
}

func (r *receiver) reset() {
	if r.buf != nil {
		r.buf.release()
	}
	*r = receiver{keep: r.keep}
}
