package invalidation

import (
	"slices"
	"time"
)

// live runs f in the process unless it is frozen.
func (p *process) live(f func(*process)) {
	if p.w.now >= p.frozen {
		f(p)
	}
}

func (w *world) anyone() *process { return w.processes[w.random.IntN(len(w.processes))] }

func cutOff(w *world) { w.anyone().cut = w.now + w.between(0, 5*time.Second) }

func pause(w *world) { w.anyone().freeze(w.between(0, 4*time.Second)) }

func (p *process) freeze(d time.Duration) { p.frozen = max(p.frozen, p.w.now+d) }

// suspend stops the monotonic clock with the process.
func suspend(w *world) {
	p := w.anyone()
	if w.now < p.frozen {
		return
	}
	d := w.between(0, 5*time.Second)
	p.freeze(d)
	p.slept += d
}

func wallStep(w *world) { w.anyone().wallOffset += w.between(-10*time.Second, 10*time.Second) }

func serverStep(w *world) { w.primary.skew += w.between(-2*time.Second, 2*time.Second) }

func restart(w *world) {
	p := w.anyone()
	p.dead = true
	w.start(p.index)
}

func flush(w *world) { w.primary.log = nil }

func trim(w *world) { w.primary.trim(w.random.IntN(4)) }

// replicate lets one replica catch up.
func (w *world) replicate() {
	n := w.nodes[w.random.IntN(len(w.nodes))]
	if n.up && !n.primary && w.primary.up {
		n.copyFrom(w.primary)
	}
	w.at(w.now+w.between(0, 120*time.Millisecond), w.replicate)
}

// failOver lets the primary die, or lose its replicas, and promotes a replica that may lack its last records.
func failOver(w *world) {
	old := w.primary
	if !old.primary || slices.ContainsFunc(w.nodes, func(n *node) bool { return !n.up }) {
		return
	}
	old.primary, old.up = false, w.chance(0.5)
	w.at(w.now+w.between(0, 1500*time.Millisecond), func() { w.promote(old) })
}

func (w *world) promote(old *node) {
	next := w.nodes[w.random.IntN(len(w.nodes))]
	for next == old || !next.up {
		next = w.nodes[w.random.IntN(len(w.nodes))]
	}
	if w.profile.nameless {
		w.tear()
	}
	next.primary, next.history = true, w.freshHistory()
	w.primary = next
	w.learn()
	w.at(w.now+w.between(0, 6*time.Second), func() { w.demote(old) })
}

// learn tells every client about the new primary, sooner or later.
func (w *world) learn() {
	for _, p := range w.processes {
		w.at(w.now+w.between(0, 5*time.Second), func() { p.target = w.primary })
	}
}

// demote makes a former primary a replica of the present one.
func (w *world) demote(old *node) {
	if old != w.primary {
		old.up, old.primary = true, false
		old.copyFrom(w.primary)
	}
}

// rollBack restarts the primary with what had reached its disk.
func rollBack(w *world) {
	if w.primary.primary && w.primary.up {
		if w.profile.nameless {
			w.tear()
		}
		w.primary.loseEnd(w.random.IntN(4))
	}
}

// splitBrain promotes a replica while the old primary goes on for those that did not hear of it.
func splitBrain(w *world) {
	if w.torn {
		return
	}
	old := w.primary
	w.tear()
	w.promote(old)
	w.tear()
	w.at(w.now+w.between(3*time.Second, 4*time.Second), func() {
		w.demote(old)
		w.tornAt = w.now
	})
}

// detour leads every client to another server for a while, as a name or a proxy may, and then back to the one that they left. Each of
// them follows the one log before and the other between: the promise does not cover those that notice nothing, or begin meanwhile.
func detour(w *world) {
	home := w.primary
	if !slices.Contains(w.nodes, home) || !w.together() {
		return
	}
	w.lead(&node{w: w, history: w.freshHistory(), up: true, primary: true, skew: home.skew})
	w.at(w.now+w.between(0, 4*time.Second), func() { w.leadBack(home) })
}

func (w *world) leadBack(home *node) {
	if w.together() {
		w.lead(home)
		return
	}
	w.at(w.now+100*time.Millisecond, func() { w.leadBack(home) })
}

func (w *world) lead(n *node) {
	w.primary = n
	for _, p := range w.processes {
		p.target = n
	}
}

func (w *world) together() bool {
	return !slices.ContainsFunc(w.processes, func(p *process) bool { return !p.follows(w.primary) })
}
