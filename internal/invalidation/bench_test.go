package invalidation

import (
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/larderhq/larder/internal/redistest"
)

func BenchmarkUsable(b *testing.B) {
	l := New(Config{})
	s := l.Note().Stamp([]Selector{Select(Key, "k"), Select(Path, "/k"), Select(Route, "r"), Select(Tag, "t")})
	now := time.Now()
	b.Run("remembered", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			l.Usable(s, now)
		}
	})
	b.Run("judged", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			l.core.version.Add(1)
			l.Usable(s, now)
		}
	})
}

func BenchmarkSelect(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		Select(Tag, "item:12345")
	}
}

// BenchmarkStart reads a log of 100,000 records, as a process does when it starts.
func BenchmarkStart(b *testing.B) {
	const records = 100_000
	client := redistest.Start(b).Client()
	s := &stream{client: client, key: logKey, maxLen: records, limit: readCount}
	first, err := s.append(b.Context(), nil, nil)
	if err != nil {
		b.Fatal(err)
	}
	pipe := client.Pipeline()
	for i := range records - 1 {
		record := payload([]Record{{Selector: Select(Tag, strconv.Itoa(i))}})
		pipe.Do(b.Context(), "XADD", logKey, "*", "g", formatGeneration(first.Generation), "s", record)
	}
	if _, err := pipe.Exec(b.Context()); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		l := New(Config{Client: client, Logger: silent})
		l.Wait(context.Background(), Position{})
		b.StopTimer()
		l.Close()
		b.StartTimer()
	}
}

// BenchmarkPropagation is the time from an acknowledgement until another process knows of the purge.
func BenchmarkPropagation(b *testing.B) {
	client := redistest.Start(b).Client()
	from, to := New(Config{Client: client, Logger: silent}), New(Config{Client: client, Logger: silent})
	from.Wait(b.Context(), Position{})
	to.Wait(b.Context(), Position{})
	selectors := []Selector{Select(Tag, "t")}
	for b.Loop() {
		s := to.Note().Stamp(selectors)
		if _, err := from.Append(b.Context(), Record{Selector: selectors[0]}); err != nil {
			b.Fatal(err)
		}
		for to.Usable(s, time.Now()) == Valid {
			time.Sleep(10 * time.Microsecond)
		}
	}
	b.StopTimer()
	from.Close()
	to.Close()
}
