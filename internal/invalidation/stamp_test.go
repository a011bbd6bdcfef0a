package invalidation

// Stamp is that of a response that this process filled under the note.
func (n Note) Stamp(selectors []Selector) *Stamp {
	s := new(Stamp)
	s.Init(n.Position, n.Origin(), selectors)
	return s
}

// Stamp is that of a response that came from a store with its position.
func (p Position) Stamp(selectors []Selector) *Stamp {
	s := new(Stamp)
	s.Init(p, Origin{}, selectors)
	return s
}

// Supersedes is that of the origins.
func (s *Stamp) Supersedes(old *Stamp) bool { return s.origin().Supersedes(old.origin()) }

func (s *Stamp) origin() Origin {
	if !s.here {
		return Origin{}
	}
	return Origin{s.began, s.local}
}

// Position is the position noted before the response's handler ran.
func (s *Stamp) Position() Position { return s.position }
