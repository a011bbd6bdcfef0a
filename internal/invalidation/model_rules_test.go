package invalidation

import (
	"testing"
)

// TestModelMissesEachRule leaves out one rule at a time: the model finds a broken promise, so that each rule is there for a reason, and so that
// the model is one that can find something.
func TestModelMissesEachRule(t *testing.T) {
	for _, test := range []struct {
		name     string
		rule     rule
		profiles []string // where it is found soonest
	}{
		{"sameHistory", sameHistory, []string{"failovers"}},
		{"sameGeneration", sameGeneration, []string{"erasures"}},
		{"followHistory", followHistory, []string{"failovers"}},
		{"followGeneration", followGeneration, []string{"erasures", "nameless", "everything"}},
		{"continuity", continuity, []string{"erasures"}},
		{"aboveHorizon", aboveHorizon, []string{"trims"}},
		{"pendingCovers", pendingCovers, []string{"lost acks"}},
		{"indexOwn", indexOwn, []string{"partitions"}},
		{"ackFollowed", ackFollowed, []string{"failovers"}},
		{"ackAbove", ackAbove, []string{"nameless"}},
		{"ackSeen", ackSeen, []string{"nameless"}},
		{"breakLost", breakLost, []string{"nameless"}},
		{"newGeneration", newGeneration, []string{"erasures"}},
		{"repeatRecent", repeatRecent, []string{"split brain"}},
		{"leaseHolds", leaseHolds, []string{"partitions"}},
		{"heardAtSending", heardAtSending, []string{"lag"}},
		{"heardAtTail", heardAtTail, []string{"lag"}},
		{"wallClock", wallClock, []string{"clocks"}},
		{"provenByWrite", provenByWrite, []string{"stale primaries"}},
		{"notedBefore", notedBefore, []string{"lag"}},
		{"waitersCheck", waitersCheck, []string{"lag"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			for seed := range uint64(3000) {
				for _, name := range test.profiles {
					w := newWorld(seed, profiles[name], test.rule)
					w.run()
					if w.failure != "" {
						t.Logf("%s, seed %d: %s", name, seed, w.failure)
						return
					}
				}
			}
			t.Error("the model does not notice that the rule is missing")
		})
	}
}
