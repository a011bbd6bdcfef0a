package store

import "errors"

// ErrMiss says that a store has nothing (usable) under a key.
var ErrMiss = errors.New("larder: no such entry")

// ErrForeign says that what Redis has under a key is none of ours, as it is no string. The store is well, and Set overwrites it.
var ErrForeign = errors.New("store: wrong type")
