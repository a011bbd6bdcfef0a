package store

import "errors"

// ErrMiss says that a store has nothing (usable) under a key.
var ErrMiss = errors.New("larder: no such entry")

// ErrForeign says that what Redis has under a key is no string, and so not ours. Redis itself is well, and Set overwrites the key.
var ErrForeign = errors.New("store: wrong type")
