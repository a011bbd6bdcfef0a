package store

import "errors"

// ErrMiss says that a store has nothing (usable) under a key.
var ErrMiss = errors.New("larder: no such entry")
