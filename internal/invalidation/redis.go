package invalidation

import (
	"context"
	_ "embed" // for the scripts
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/redis/go-redis/v9"
)

var (
	//go:embed append.lua
	appendSource string
	//go:embed read.lua
	readSource string

	appendScript = redis.NewScript(appendSource)
	readScript   = redis.NewScript(readSource)
)

// readCount records per reply keep a read of a long log from holding up the server: it takes Redis about a millisecond.
const readCount = 1000

// stream is the log in Redis, under one key.
type stream struct {
	client redis.UniversalClient
	key    string
	maxLen int64
	limit  int // records per read
}

var errReply = errors.New("unexpected reply")

// append adds records, nil to see only to an unbroken generation, and returns the position of the last.
func (s *stream) append(ctx context.Context, records []Record, broken []uint64) (Position, error) {
	args := []any{s.maxLen, formatGeneration(freshGeneration()), len(broken)}
	for _, g := range broken {
		args = append(args, formatGeneration(g))
	}
	for _, p := range payloads(records) {
		args = append(args, p)
	}
	answer, err := appendScript.Run(ctx, s.client, []string{s.key}, args...).StringSlice()
	if err != nil {
		return Position{}, err
	}
	if len(answer) != 3 {
		return Position{}, errReply
	}
	last, err := parseID(answer[2])
	if err != nil {
		return Position{}, fmt.Errorf("%w: id %q", errReply, answer[2])
	}
	return Position{answer[0], parseGeneration(answer[1]), last.millis, last.seq}, nil
}

func freshGeneration() uint64 { return rand.Uint64() | 1 } // 0 is nobody's

// read returns the records from an id inclusively.
func (s *stream) read(ctx context.Context, from id) (reply, error) {
	answer, err := readScript.Run(ctx, s.client, []string{s.key}, from.String(), s.limit).Slice()
	if err != nil {
		return reply{}, err
	}
	if len(answer) != 2 {
		return reply{}, errReply
	}
	history, ok := answer[0].(string)
	list, ok2 := answer[1].([]any)
	if !ok || !ok2 {
		return reply{}, errReply
	}
	r := reply{history: history, records: make([]record, 0, len(list)), more: len(list) == s.limit}
	for _, item := range list {
		e, err := parseRecord(item)
		if err != nil {
			return reply{}, err
		}
		r.records = append(r.records, e)
	}
	return r, nil
}

// parseRecord reads [id, [name, value, …]].
func parseRecord(item any) (e record, err error) {
	pair, _ := item.([]any)
	if len(pair) != 2 {
		return e, errReply
	}
	text, _ := pair[0].(string)
	if e.id, err = parseID(text); err != nil {
		return e, fmt.Errorf("%w: id %q", errReply, text)
	}
	fields, _ := pair[1].([]any)
	for i := 0; i+1 < len(fields); i += 2 {
		value, _ := fields[i+1].(string)
		switch fields[i] {
		case "g":
			e.generation = parseGeneration(value)
		case "s":
			e.records = parsePayload(value)
		}
	}
	return e, nil
}

// block returns true as soon as there is a record after an id, false after d.
func (s *stream) block(ctx context.Context, after id, d time.Duration) (bool, error) {
	streams := []string{s.key, after.String()}
	found, err := s.client.XRead(ctx, &redis.XReadArgs{Streams: streams, Count: 1, Block: d}).Result()
	if errors.Is(err, redis.Nil) {
		return false, nil
	}
	return len(found) > 0, err
}
