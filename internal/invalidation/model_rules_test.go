//go:build !race

package invalidation

import (
	"testing"
)

// TestModelMissesEachRule leaves out one rule at a time: the model finds a broken promise, so that each rule is there for a reason, and so that
// the model is one that can find something.
func TestModelMissesEachRule(t *testing.T) {
	for _, test := range []struct {
		name    string
		rule    rule
		profile profile // one in which it is found soon
	}{
		{"sameHistory", sameHistory, profiles["failovers"]},
		{"sameGeneration", sameGeneration, profiles["deletions"]},
		{"followHistory", followHistory, profiles["failovers"]},
		{"followGeneration", followGeneration, profiles["nameless"]},
		{"continuity", continuity, profiles["erasures"]},
		{"aboveHorizon", aboveHorizon, profiles["trims"]},
		{"pendingCovers", pendingCovers, profiles["lost acks"]},
		{"indexOwn", indexOwn, profiles["partitions"]},
		{"ackFollowed", ackFollowed, profiles["failovers"]},
		{"ackAbove", ackAbove, reused},
		{"ackSeen", ackSeen, profiles["nameless"]},
		{"breakLost", breakLost, reused},
		{"newGeneration", newGeneration, profiles["deletions"]},
		{"neverBack", neverBack, profiles["detours"]},
		{"repeatRecent", repeatRecent, profiles["split brain"]},
		{"leaseHolds", leaseHolds, profiles["partitions"]},
		{"heardAtSending", heardAtSending, profiles["lag"]},
		{"heardAtTail", heardAtTail, profiles["lag"]},
		{"wallClock", wallClock, profiles["clocks"]},
		{"provenByWrite", provenByWrite, profiles["stale primaries"]},
		{"notedBefore", notedBefore, profiles["lag"]},
		{"waitersCheck", waitersCheck, profiles["lag"]},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			for seed := range uint64(2000) {
				w := newWorld(seed, test.profile, test.rule)
				w.run()
				if w.failure != "" && sound(seed, test.profile) {
					t.Logf("seed %d: %s", seed, w.failure)
					return
				}
			}
			t.Error("the model does not notice that the rule is missing")
		})
	}
}

// sound says whether nothing goes wrong with all rules in force.
func sound(seed uint64, p profile) bool {
	w := newWorld(seed, p, 0)
	w.run()
	return w.failure == ""
}
