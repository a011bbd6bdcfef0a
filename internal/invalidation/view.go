package invalidation

// view is what a process knows of the log that it follows. Its fields never change; a log that replaces the followed one gets a new view.
type view struct {
	log        Position // history and generation, no id; generation 0 until the log was first read to its tail
	horizon    id       // first record of the generation that could be read: what came before it is unknown
	hard, soft *index
}

func newView() *view { return &view{hard: new(index), soft: new(index)} }

// raise enters records that stand at one position and says whether that changed anything.
func (v *view) raise(records []Record, at id) (changed bool) {
	packed := at.packed()
	for _, r := range records {
		x := v.hard
		if r.Soft {
			x = v.soft
		}
		changed = x.raise(r.Selector, packed) || changed
	}
	return changed
}

// admits says whether the stamp's position is one that the index can judge.
func (v *view) admits(s *Stamp, keep rules) bool {
	if s.position.id().before(v.horizon) && keep.keep(aboveHorizon) {
		return false
	}
	return keep.judges(v.log, s.position)
}

// state judges by the index alone.
func (v *view) state(s *Stamp, keep rules) State {
	if !v.admits(s, keep) || v.hard.overtook(s.packed, s.selectors) {
		return Invalid
	}
	if v.soft.overtook(s.packed, s.selectors) {
		return Expired
	}
	return Valid
}
