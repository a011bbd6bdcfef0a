// Package keybuilder writes cache keys that a person can read and that never mix up two inputs:
//
//	myapi-cache:api.get_user(id=1)
//
// A key has this form, in which the order of the parameters is the caller's:
//
//	key   = [ prefix ":" ] name "(" [ param *( "," param ) ] ")"
//	param = name "=" value
//	value = text / list / map / "%nil"
//	list  = "(" [ value *( "," value ) ] ")"   ; a lone "%" is an element with an empty text
//	map   = "(" [ value "=" value *( "," value "=" value ) ] ")"
//
// In a text, the characters that the form is made of, controls and the space are percent-encoded. With one prefix, therefore, equal
// keys mean equal names and equal values. The type of a value is no part of the key: 1 and "1" are the same text.
package keybuilder

import (
	"errors"
	"fmt"
	"reflect"
)

// ErrValue matches every error of this package: a parameter's value has no text that would be the same for an equal value in the
// next request or in another process.
var ErrValue = errors.New("value has no lasting text")

// Param is a named value of a key.
type Param struct {
	Name string
	// Value is written as its MarshalText says, else its String, called on a copy where only the pointer has the method. Else by
	// kind: scalars as strconv writes them, slices of bytes as text, other slices and arrays as lists, maps sorted and structs with
	// all their fields as maps. The same holds for what these contain, except that the methods of an unexported field cannot be
	// called: it is written by kind. A nil interface is "%nil". Beware of a struct that embeds a time.Time: it has its MarshalText,
	// which comes before a String of its own and shows none of the other fields.
	//
	// Refused with ErrValue is whatever is or contains an address: pointers, functions, channels and uintptrs without a text of
	// their own, and any nil pointer; likewise a method that returns an error or panics, and nesting beyond 32 levels.
	Value any
}

// Builder builds keys. Its zero value has no prefix and ignores the built-in types. It may be copied and used concurrently.
type Builder struct {
	prefix  string         // with its colon, unless it is empty
	ignored []reflect.Type // beside the built-in ones
}

// New returns a Builder of keys that begin with prefix, as it stands, and a colon; an empty prefix leaves out both.
// Parameters of the types in ignore never enter a key, nor do those of the built-in types: *http.Request, http.ResponseWriter,
// context.Context, *sql.DB, *sql.Tx, *sql.Conn and *slog.Logger. An interface type, as from reflect.TypeFor, stands for all types
// that implement it, any other type for itself; nil ones are skipped.
func New(prefix string, ignore ...reflect.Type) Builder {
	if prefix != "" {
		prefix += ":"
	}
	return Builder{prefix: prefix, ignored: withoutNil(ignore)}
}

// Key returns the key of a function's name and its parameters, in the order given. A value that cannot be in a key is an error
// that names its parameter and matches ErrValue.
func (b Builder) Key(name string, params ...Param) (string, error) {
	key := append(make([]byte, 0, 128), b.prefix...)
	key = append(AppendName(key, name), '(')
	first := true
	for _, p := range params {
		end := len(key)
		if !first {
			key = append(key, ',')
		}
		out, ignored, err := b.AppendParam(key, p)
		switch {
		case err != nil:
			return "", err
		case ignored:
			key = key[:end]
		default:
			key, first = out, false
		}
	}
	return string(append(key, ')')), nil
}

// AppendParam appends a parameter as it stands in a key, name=value, for callers that put keys together in a buffer of their own.
// If the value's type is ignored, or the value is refused with an error as from Key, out is dst as it was.
// It allocates for no scalar, apart from the room that dst lacks.
func (b Builder) AppendParam(dst []byte, p Param) (out []byte, ignored bool, err error) {
	if b.ignores(p.Value) {
		return dst, true, nil
	}
	out = append(AppendName(dst, p.Name), '=')
	if out, err = appendValue(out, p.Value); err != nil {
		return dst, false, fmt.Errorf("keybuilder: parameter %q of type %T: %w", p.Name, p.Value, err)
	}
	return out, false, nil
}
