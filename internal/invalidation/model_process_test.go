package invalidation

import (
	"slices"
	"time"
)

// process is one life of one process of the fleet: the real core with a cache of a few lines around it.
type process struct {
	w      *world
	index  int
	core   *core
	target *node // which server its client takes for the primary

	dead        bool
	cut         time.Duration // no message passes until then
	frozen      time.Duration // nothing runs until then
	slept       time.Duration // how much the monotonic clock missed
	wallOffset  time.Duration
	memory      map[int]*stored
	flights     map[int]*flight
	round       int           // the number of the round under way; replies of earlier ones are dropped
	busy        bool          // a round is under way
	provenSince time.Duration // when the last query of a complete round was sent, in true time
}

// stored is a response: the version of the data that it shows, and its stamp.
type stored struct {
	version int
	stamp   *Stamp
}

type flight struct {
	key     int
	note    Note
	began   instant
	version int
	leader  *request
	waiters []*request
}

type request struct {
	key     int
	arrived time.Duration // in true time
	a       instant       // by the clocks of the process
	tries   int
}

func (w *world) start(index int) *process {
	p := &process{w: w, index: index, core: newCore(modelLease), target: w.primary, memory: map[int]*stored{}, flights: map[int]*flight{}}
	p.core.leftOut = w.rules.leftOut
	if index < len(w.processes) {
		w.processes[index] = p
	} else {
		w.processes = append(w.processes, p)
	}
	p.tick()
	p.traffic()
	return p
}

// clock is what the process reads. Clocks of different processes have nothing to do with each other.
func (p *process) clock() instant {
	return instant{mono: int64(p.w.now - p.slept), wall: int64(p.w.now + p.wallOffset)}
}

// later runs f in the process, after d and not while it is frozen, unless it died.
func (p *process) later(d time.Duration, f func()) {
	p.w.at(p.w.now+d, func() {
		switch {
		case p.dead:
		case p.w.now < p.frozen:
			p.later(p.frozen-p.w.now, f)
		default:
			f()
		}
	})
}

// exchange sends a message to the server and takes its reply, either of which may be lost or late. Exactly one of reply and timeout runs.
func (p *process) exchange(deadline time.Duration, serve func(*node), reply, timeout func()) {
	done := false
	once := func(f func()) func() {
		return func() {
			if !done {
				done = true
				f()
			}
		}
	}
	p.later(deadline, once(timeout))
	if p.lost() {
		return
	}
	n := p.target
	p.w.at(p.w.now+p.w.delay(), func() {
		if !n.up {
			return
		}
		serve(n)
		if !p.lost() {
			p.later(p.w.delay(), once(reply))
		}
	})
}

func (p *process) lost() bool { return p.w.now < p.cut || p.w.chance(p.w.profile.loss) }

func (p *process) tick() {
	p.startRound()
	p.later(modelLease/4, p.tick)
}

func (p *process) startRound() {
	if !p.busy {
		p.busy = true
		p.round++
		p.query(p.round)
	}
}

func (p *process) query(round int) {
	q, sent := p.core.next(p.clock()), p.w.now
	var r reply
	var err error
	serve := func(n *node) {
		if q.renew {
			_, err = n.append(nil, q.broken)
		} else {
			r, err = n.read(q.from)
		}
	}
	end := func() { p.busy = p.busy && round != p.round }
	p.exchange(modelLease/4, serve, func() {
		if round != p.round || err != nil {
			end()
			return
		}
		done := p.core.apply(q, r, p.clock())
		if done.again {
			p.query(round)
			return
		}
		p.provenSince = sent
		p.repeat(end)
	}, end)
}

func (p *process) repeat(end func()) {
	pr, ok := p.core.again()
	if !ok {
		end()
		return
	}
	p.append(pr, func(error) { end() })
}

// append carries a purge to the log and back.
func (p *process) append(pr purge, done func(error)) {
	var ack Position
	var err error
	serve := func(n *node) {
		if ack, err = n.append(pr.records(), pr.broken); err == nil {
			p.w.nudge()
		}
	}
	p.exchange(100*time.Millisecond, serve, func() {
		if err != nil {
			p.core.fail(pr)
		} else {
			err = p.core.settle(pr, ack, p.clock())
		}
		done(err)
	}, func() {
		p.core.fail(pr)
		done(errRefused)
	})
}

// traffic makes requests arrive for ever.
func (p *process) traffic() {
	p.later(p.w.between(5*time.Millisecond, 120*time.Millisecond), func() {
		r := &request{key: p.w.random.IntN(keys), arrived: p.w.now, a: p.clock()}
		p.later(p.w.delay()/4, func() { p.serve(r) })
		p.traffic()
	})
}

// serve looks into memory, then into the store, then runs the handler or joins a run.
func (p *process) serve(r *request) {
	r.tries++
	if s := p.memory[r.key]; s != nil && p.core.usable(s.stamp, r.a) == Valid {
		p.w.served(p, r, s, "memory")
		return
	}
	p.later(p.w.delay(), func() {
		if found := p.w.fetch(r.key); found != nil {
			s := &stored{found.version, found.position.Stamp(selectorsOf(r.key))}
			if p.core.usable(s.stamp, r.a) == Valid {
				p.keep(r.key, s)
				p.w.served(p, r, s, "store")
				return
			}
		}
		p.fill(r)
	})
}

func (p *process) keep(key int, s *stored) {
	old := p.memory[key]
	if old == nil || s.stamp.Supersedes(old.stamp) {
		p.memory[key] = s
	}
}

func (p *process) fill(r *request) {
	if f := p.flights[r.key]; f != nil && p.core.joinable(f.began, r.a) {
		f.waiters = append(f.waiters, r)
		return
	}
	f := &flight{key: r.key, began: p.clock(), leader: r}
	f.note = p.core.note(time.Time{})
	p.flights[r.key] = f
	length := p.w.handlerTime()
	reading := time.Duration(p.w.random.Float64() * float64(length))
	p.later(reading, func() {
		f.version = p.w.data[f.key]
		p.later(length-reading, func() { p.finish(f) })
	})
}

func (p *process) finish(f *flight) {
	if p.flights[f.key] == f {
		delete(p.flights, f.key)
	}
	if !p.w.rules.keep(notedBefore) {
		f.note = p.core.note(time.Time{})
	}
	stamp := f.note.Stamp(selectorsOf(f.key))
	stamp.began = f.began
	s := &stored{f.version, stamp}
	p.keep(f.key, s)
	put := saved{f.note.Position, f.version}
	p.w.at(p.w.now+p.w.delay(), func() { p.w.store[f.key] = append(p.w.store[f.key], put) })
	p.w.served(p, f.leader, s, "own run")
	for _, r := range f.waiters {
		if p.accepts(stamp, r) || !p.w.rules.keep(waitersCheck) {
			p.w.served(p, r, s, "flight")
		} else {
			p.serve(r)
		}
	}
}

// accepts says whether one who waited for a flight takes its response: if the handler began after the request arrived, whatever was
// invalidated meanwhile, else if it is still valid. The cache does it in the same way.
func (p *process) accepts(s *Stamp, r *request) bool {
	return s.began.mono >= r.a.mono || p.core.usable(s, r.a) == Valid
}

// purge changes the data behind some keys and then invalidates them.
func (p *process) purge() {
	w := p.w
	record, covered := w.pickRecord()
	for _, k := range covered {
		w.data[k]++
	}
	pr := p.core.begin([]Record{record})
	o := &order{by: p, record: record, sequence: pr.claims[0].sequence, begun: w.now, versions: map[int]int{}}
	for _, k := range covered {
		o.versions[k] = w.data[k]
	}
	w.orders = append(w.orders, o)
	p.append(pr, func(err error) { o.returned = err == nil })
}

// wake appends a record that invalidates nothing.
func (p *process) wake() { p.append(p.core.begin(nil), func(error) {}) }

// owes says whether a purge is still pending in its process, by itself or in a later one of everything.
func (p *process) owes(o *order) bool {
	owed := p.core.owed.owed
	return owed[o.record].sequence >= o.sequence || owed[Record{Selector: All}].sequence >= o.sequence
}

// follows says whether the process is attached to what the primary holds now.
func (p *process) follows(n *node) bool {
	log := p.core.view.Load().log
	return p.core.scan == nil && n.log != nil && len(n.log.records) > 0 &&
		log.sameLog(Position{History: n.name(), Generation: n.log.records[len(n.log.records)-1].generation})
}

func selectorsOf(key int) []Selector { return slices.Clone(selectors[key]) }
