package invalidation

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/larderhq/larder/internal/redistest"
	"github.com/redis/go-redis/v9"
)

var silent = slog.New(slog.NewTextHandler(io.Discard, nil))

const logKey = "larder:invalidations"

func streamOf(client redis.UniversalClient) *stream {
	return &stream{client: client, key: logKey, maxLen: 1000, limit: readLimit}
}

func open(t testing.TB, config Config) *Log {
	t.Helper()
	if config.Logger == nil {
		config.Logger = silent
	}
	l := New(config)
	t.Cleanup(l.Close)
	return l
}

// shape is a reply with ids and generations numbered in the order in which they turned up, since no two servers choose the same.
type shape struct {
	records []shapeRecord
	more    bool
	failed  bool
}

type shapeRecord struct {
	id, generation int
	records        []Record
}

type numbering[T comparable] []T

func (n *numbering[T]) of(x T) int {
	if i := slices.Index(*n, x); i >= 0 {
		return i
	}
	*n = append(*n, x)
	return len(*n) - 1
}

// side is a server, simulated or real, with the names it gave.
type side struct {
	append      func([]Record, []uint64) (Position, error)
	read        func(id) (reply, error)
	erase       func()
	trim        func(int)
	ids         numbering[id]
	generations numbering[uint64]
}

func (s *side) appendShape(records []Record, broken []int) shape {
	var names []uint64
	for _, b := range broken {
		names = append(names, s.generations[b])
	}
	p, err := s.append(records, names)
	return shape{records: []shapeRecord{{id: s.ids.of(p.id()), generation: s.generations.of(p.Generation)}}, failed: err != nil}
}

func (s *side) readShape(from int) shape {
	start := id{}
	if from > 0 {
		start = s.ids[from]
	}
	r, err := s.read(start)
	out := shape{more: r.more, failed: err != nil}
	for _, e := range r.records {
		out.records = append(out.records, shapeRecord{s.ids.of(e.id), s.generations.of(e.generation), e.records})
	}
	return out
}

// TestScriptsMatchModel holds the scripts in Redis against the simulated servers of the model.
func TestScriptsMatchModel(t *testing.T) {
	client := redistest.Start(t).Client()
	scripts := streamOf(client)
	w := &world{random: rand.New(rand.NewPCG(1, 2)), now: time.Hour}
	simulated := &node{w: w, up: true, primary: true}
	sides := []*side{{
		append: simulated.append, read: simulated.read, trim: simulated.trim,
		erase: func() { simulated.log = nil },
	}, {
		append: func(r []Record, b []uint64) (Position, error) { return scripts.append(t.Context(), r, b) },
		read:   func(i id) (reply, error) { return scripts.read(t.Context(), i) },
		erase: func() {
			client.Del(t.Context(), logKey)
			time.Sleep(2 * time.Millisecond) // Lest the next log gives the same id again.
		},
		trim: func(n int) { client.XTrimMaxLen(t.Context(), logKey, int64(n)) },
	}}
	for n := range 2000 {
		time.Sleep(time.Duration(w.random.IntN(2)) * 700 * time.Microsecond) // Some records share a millisecond.
		w.now += time.Millisecond
		do, pick := w.random.IntN(12), w.random.IntN(1<<30)
		var got [2]shape
		for i, s := range sides {
			switch {
			case do == 0:
				s.erase()
			case do == 1:
				s.trim(pick % 4)
			case do <= 5:
				var broken []int
				if len(s.generations) > 0 && pick%3 == 0 {
					broken = []int{len(s.generations) - 1, pick % len(s.generations)}
				}
				var records []Record
				switch pick % 4 {
				case 0: // none
				case 1:
					records = []Record{}
				default:
					records = []Record{{Selector(pick), pick%2 == 0}, {All, false}}
				}
				got[i] = s.appendShape(records, broken)
			default:
				got[i] = s.readShape(pick % max(1, len(s.ids)))
			}
		}
		if !equalShapes(got[0], got[1]) {
			t.Fatalf("operation %d (%d): the model answers %+v, Redis %+v", n, do, got[0], got[1])
		}
	}
}

func equalShapes(a, b shape) bool {
	return a.more == b.more && a.failed == b.failed && slices.EqualFunc(a.records, b.records, func(x, y shapeRecord) bool {
		return x.id == y.id && x.generation == y.generation && slices.Equal(x.records, y.records)
	})
}

func TestOnlyServersThatTakeWritesVouch(t *testing.T) {
	primary, replica := redistest.Start(t), redistest.Start(t)
	p, r := streamOf(primary.Client()), streamOf(replica.Client())
	if _, err := p.append(t.Context(), nil, nil); err != nil {
		t.Fatal(err)
	}
	host, port, _ := strings.Cut(primary.Addr(), ":")
	replica.Config("replica-read-only", "yes")
	if err := replica.Client().Do(t.Context(), "REPLICAOF", host, port).Err(); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool {
		n, err := replica.Client().XLen(t.Context(), logKey).Result()
		return err == nil && n == 1
	})
	if _, err := r.read(t.Context(), id{}); err == nil || !strings.Contains(err.Error(), "READONLY") {
		t.Errorf("a replica answers a read with %v", err)
	}
	primary.Config("min-replicas-to-write", "2")
	if _, err := p.read(t.Context(), id{}); err == nil || !strings.Contains(err.Error(), "NOREPLICAS") {
		t.Errorf("a primary without its replicas answers a read with %v", err)
	}
	primary.Config("min-replicas-to-write", "0")
	first, err := p.read(t.Context(), id{})
	if err != nil || first.history == "" || len(first.records) != 1 {
		t.Errorf("a primary answers a read with %+v, %v", first, err)
	}
	if err := replica.Client().Do(t.Context(), "REPLICAOF", "NO", "ONE").Err(); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool {
		got, err := r.read(t.Context(), id{})
		return err == nil && got.history != first.history && got.history != ""
	})
}

// eventually polls f; only what never happens fails.
func eventually(t *testing.T, f func() bool) {
	t.Helper()
	for range 6000 {
		if f() {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatal("it did not happen in 30 s")
}

// aclLine is what docs/invalidation.md tells to give the log's user.
const aclLine = "resetkeys ~larder:invalidations resetchannels -@all +eval +evalsha +xadd +xtrim +xrange +xrevrange +xread +info"

func TestLeastPrivilege(t *testing.T) {
	server := redistest.Start(t)
	for name, line := range map[string]string{"log": aclLine, "blind": strings.TrimSuffix(aclLine, " +info")} {
		words := []any{"ACL", "SETUSER", name, "on", ">secret"}
		for _, w := range strings.Fields(line) {
			words = append(words, w)
		}
		if err := server.Client().Do(t.Context(), words...).Err(); err != nil {
			t.Fatal(err)
		}
	}
	client := server.ClientWith(redis.Options{Username: "log", Password: "secret"})
	l := open(t, Config{Client: client})
	if !l.Wait(t.Context(), Position{}) {
		t.Fatal("not followed")
	}
	p, err := l.Append(t.Context(), Record{Selector: Select(Tag, "t")})
	if err != nil || p.History == "" {
		t.Errorf("append: %v, %v", p, err)
	}
	if grown, err := l.stream.block(t.Context(), id{1, 0}, time.Second); err != nil || !grown {
		t.Errorf("block: %v, %v", grown, err)
	}
	if err := client.Set(t.Context(), "larder:x", "", 0).Err(); err == nil {
		t.Error("the user may do more than it needs")
	}
	blind := streamOf(server.ClientWith(redis.Options{Username: "blind", Password: "secret"}))
	if r, err := blind.read(t.Context(), id{}); err != nil || r.history != "" || len(r.records) == 0 {
		t.Errorf("without INFO: %+v, %v", r, err)
	}
}

// TestFailoversThatMayGoUnnoticed: a log user without INFO is told of once, and nobody else is.
func TestFailoversThatMayGoUnnoticed(t *testing.T) {
	t.Parallel()
	for lines, right := range map[int]string{0: "+info", 1: "-info"} {
		client := redistest.Start(t, redistest.Config("user", "default", "on", "nopass", "~*", "&*", "+@all", right)).Client()
		var told bytes.Buffer
		l := open(t, Config{Client: client, Lease: 100 * time.Millisecond, Logger: slog.New(slog.NewTextHandler(&told, nil))})
		for range 3 {
			if !l.Wait(t.Context(), Position{}) {
				t.Fatal("not followed")
			}
		}
		l.Close()
		if n := strings.Count(told.String(), "a failover may go unnoticed"); n != lines {
			t.Errorf("%s: %d lines in\n%s", right, n, told.String())
		}
	}
}

func TestForeignRecords(t *testing.T) {
	client := redistest.Start(t).Client()
	s := streamOf(client)
	add := func(values ...any) {
		if err := client.XAdd(t.Context(), &redis.XAddArgs{Stream: logKey, Values: values}).Err(); err != nil {
			t.Fatal(err)
		}
	}
	add("hello", "world")
	l := open(t, Config{Client: client})
	if !l.Wait(t.Context(), Position{}) || l.Note().Position.Generation == 0 {
		t.Fatal("a log that ends in a foreign record was not begun anew")
	}
	stamp := l.Note().Position.Stamp(nil)
	add("g", formatGeneration(l.Note().Position.Generation), "s", "\x09of a later release")
	if !l.Wait(t.Context(), Position{}) || l.Usable(stamp, time.Now()) != Invalid {
		t.Error("what cannot be read invalidates everything")
	}
	client.Del(t.Context(), logKey)
	client.Set(t.Context(), logKey, "no stream", 0)
	if _, err := s.read(t.Context(), id{}); err == nil {
		t.Error("a key of another type was read")
	}
	if _, err := l.Append(t.Context(), Record{}); err == nil {
		t.Error("appended to a key of another type")
	}
}

// TestReplacedLogIsTold: nobody is left to guess why nothing hits any more, and the first log is no news.
func TestReplacedLogIsTold(t *testing.T) {
	client := redistest.Start(t).Client()
	var told bytes.Buffer
	resets := make(chan struct{}, 100)
	l := open(t, Config{Client: client, Logger: slog.New(slog.NewTextHandler(&told, nil)), OnReset: func() { resets <- struct{}{} }})
	<-l.settled
	for len(resets) > 0 { // those of the first log
		<-resets
	}
	if _, err := l.Append(t.Context(), Record{Selector: All}); err != nil || !l.Wait(t.Context(), Position{}) {
		t.Fatal("not followed", err)
	}
	client.Del(t.Context(), logKey)
	<-resets
	l.Close() // nothing is written any more
	if n := strings.Count(told.String(), "erased or replaced"); n != 1 {
		t.Errorf("told %d times:\n%s", n, &told)
	}
}

// TestLogThatWasLeft: what was purged while another log was followed is not in the first one, so that nothing stored with that one is
// usable when it is back.
func TestLogThatWasLeft(t *testing.T) {
	server := redistest.Start(t)
	follower, purging := open(t, Config{Client: server.Client()}), open(t, Config{Client: server.Client()})
	generation := func(l *Log) uint64 { return l.Note().Position.Generation }
	swap := func() {
		before := generation(follower)
		if err := server.Client().Do(t.Context(), "SWAPDB", 0, 1).Err(); err != nil {
			t.Fatal(err)
		}
		eventually(t, func() bool { return generation(follower) != before && generation(purging) == generation(follower) })
	}
	eventually(t, func() bool { return generation(follower) != 0 && generation(purging) == generation(follower) })
	stamp := follower.Note().Position.Stamp(nil)
	if follower.Usable(stamp, time.Now()) != Valid {
		t.Fatal("not usable to begin with")
	}
	swap()
	if _, err := purging.Append(t.Context(), Record{Selector: All}); err != nil {
		t.Fatal(err)
	}
	purging.core.mu.Lock()
	clear(purging.core.recent) // as if it was a while ago: it is not repeated
	purging.core.mu.Unlock()
	swap()
	if !follower.Wait(t.Context(), Position{}) || follower.Usable(stamp, time.Now()) != Invalid {
		t.Error("what was purged came back with the log that was left")
	}
}

// TestPoolOfOne: a read that blocks would keep all other calls waiting for the only connection.
func TestPoolOfOne(t *testing.T) {
	for size, blocks := range map[int]bool{1: false, 2: true} {
		server := redistest.Start(t)
		l := open(t, Config{Client: server.ClientWith(redis.Options{PoolSize: size}), Lease: 400 * time.Millisecond, Timeout: 10 * time.Second})
		for range 2 * int(maxBlock/l.period()) { // rounds that take longer than a read blocks
			if _, err := l.Append(t.Context(), Record{Selector: All}); err != nil {
				t.Fatal(err)
			}
			<-l.Next()
		}
		if n := server.Commands("xread"); n > 0 != blocks {
			t.Errorf("%d reads that block, with a pool of %d", n, size)
		}
	}
}

// TestLeaseOfNoTime: a lease without its unit makes nothing usable, and breaks nothing.
func TestLeaseOfNoTime(t *testing.T) {
	l := open(t, Config{Client: redistest.Start(t).Client(), Lease: 2})
	p, err := l.Append(t.Context(), Record{Selector: All})
	if err != nil || !l.Wait(t.Context(), p) {
		t.Errorf("the log is not followed: %v", err)
	}
}

func TestFleetFollows(t *testing.T) {
	client := redistest.Start(t).Client()
	resets := make(chan struct{}, 100)
	a := open(t, Config{Client: client})
	b := open(t, Config{Client: client, OnReset: func() { resets <- struct{}{} }})
	if !a.Wait(t.Context(), Position{}) || !b.Wait(t.Context(), Position{}) {
		t.Fatal("not followed")
	}
	<-b.settled
	<-resets
	selectors := []Selector{Select(Key, "k"), Select(Tag, "t")}
	note := a.Note()
	mine, theirs := note.Stamp(selectors), note.Position.Stamp(selectors)
	if a.Usable(mine, time.Now()) != Valid || b.Usable(theirs, time.Now()) != Valid {
		t.Error("not valid before a purge")
	}
	soft, err := b.Append(t.Context(), Record{selectors[1], true})
	if err != nil || !a.Wait(t.Context(), soft) {
		t.Fatal(err)
	}
	if a.Usable(mine, time.Now()) != Expired || b.Usable(theirs, time.Now()) != Expired {
		t.Error("not expired after a soft purge")
	}
	hard, err := b.Append(t.Context(), Record{Selector: selectors[1]})
	if err != nil || !a.Wait(t.Context(), hard) {
		t.Fatal(err)
	}
	if a.Usable(mine, time.Now()) != Invalid || b.Usable(theirs, time.Now()) != Invalid {
		t.Error("not invalid after a hard purge")
	}
	client.FlushAll(t.Context())
	if !b.Wait(t.Context(), Position{}) || b.Note().Position.sameLog(note.Position) {
		t.Error("a flushed log is another log")
	}
	<-resets
}

func TestUnreachable(t *testing.T) {
	server := redistest.Start(t)
	l := open(t, Config{Client: server.Client(), Lease: 200 * time.Millisecond})
	if !l.Wait(t.Context(), Position{}) {
		t.Fatal("not followed")
	}
	selectors := []Selector{Select(Key, "k")}
	before := l.Note().Position.Stamp(selectors)
	server.Pause()
	if _, err := l.Append(t.Context(), Record{Selector: selectors[0]}); !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, ErrUnreachable) {
		t.Errorf("append to a silent server: %v", err)
	}
	if l.Usable(before, time.Now()) != Invalid || l.Pending() != 1 {
		t.Error("a purge that waits for the log counts in its own process")
	}
	if l.Usable(l.Note().Stamp(selectors), time.Now()) != Valid {
		t.Error("what is filled after it is valid while the log is away")
	}
	eventually(t, func() bool {
		_, err := l.Append(t.Context(), Record{Selector: selectors[0]})
		return errors.Is(err, ErrUnreachable)
	})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if l.Wait(ctx, before.Position()) != true || l.Wait(ctx, Position{}) {
		t.Error("Wait returns for what was followed, and gives up with its context")
	}
	server.Resume()
	eventually(t, func() bool {
		return l.Pending() == 0 && l.Usable(l.Note().Position.Stamp(selectors), time.Now()) == Valid
	})
	l.Close()
	if _, err := l.Append(t.Context(), Record{}); !errors.Is(err, ErrClosed) {
		t.Errorf("append after Close: %v", err)
	}
	if l.Wait(t.Context(), Position{}) {
		t.Error("Wait after Close")
	}
}

func TestNeverReachable(t *testing.T) {
	server := redistest.Start(t)
	server.Kill()
	l := open(t, Config{Client: server.Client(), Lease: 200 * time.Millisecond})
	own := l.Note()
	if l.Usable(own.Stamp(nil), time.Now()) != Valid || l.Usable(own.Position.Stamp(nil), time.Now()) != Invalid {
		t.Error("own fills only are usable before the log was ever read")
	}
	<-l.settled
	server.Restart()
	eventually(t, func() bool { return l.Note().Position.Generation != 0 })
}

// TestPurgeBeforeTheFirstRound: a purge counts from its call, also while the process waits for its first look at the log.
func TestPurgeBeforeTheFirstRound(t *testing.T) {
	server := redistest.Start(t)
	server.Pause()
	t.Cleanup(server.Resume)
	l := open(t, Config{Client: server.Client(), Timeout: time.Minute, Lease: time.Hour})
	stamp := l.Note().Stamp([]Selector{1 << 60})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		_, err := l.Append(ctx, Record{Selector: 1 << 60})
		done <- err
	}()
	eventually(t, func() bool { return l.Usable(stamp, time.Now()) == Invalid })
	cancel()
	if err := <-done; err == nil {
		t.Error("appended to a log out of reach")
	}
	if n := l.Pending(); n != 1 {
		t.Errorf("%d purges are pending", n)
	}
}

// TestCloseSettlesWhatIsOverdue: a purge that went wrong is tried once more before its process forgets it.
func TestCloseSettlesWhatIsOverdue(t *testing.T) {
	server := redistest.Start(t)
	l := open(t, Config{Client: server.Client(), Timeout: 10 * time.Millisecond, Lease: time.Hour})
	if !l.Wait(t.Context(), Position{}) {
		t.Fatal("not followed")
	}
	before := server.Commands("xadd")
	server.Pause()
	if _, err := l.Append(t.Context(), Record{Selector: All}); err == nil {
		t.Error("appended to a log out of reach")
	}
	var closing sync.WaitGroup
	closing.Go(l.Close)
	<-l.context.Done()
	server.Resume()
	closing.Wait()
	eventually(t, func() bool { return server.Commands("xadd") > before && l.core.owed.count.Load() == 0 })
}
