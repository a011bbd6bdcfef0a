package keybuilder

import (
	"bytes"
	"cmp"
	"reflect"
	"slices"
)

func appendList(dst []byte, v reflect.Value, depth int) (_ []byte, err error) {
	if v.Kind() == reflect.Slice && v.Type().Elem() == byteType {
		return appendEscaped(dst, v.Bytes(), textReserved), nil
	}
	dst = append(dst, '(')
	for i := range v.Len() {
		if i > 0 {
			dst = append(dst, ',')
		}
		start := len(dst)
		if dst, err = appendReflected(dst, v.Index(i), depth+1); err != nil {
			return dst, err
		}
		if len(dst) == start { // a list of one empty text is not the empty list
			dst = append(dst, emptyText...)
		}
	}
	return append(dst, ')'), nil
}

func appendStruct(dst []byte, v reflect.Value, depth int) (_ []byte, err error) {
	dst = append(dst, '(')
	for i := range v.NumField() {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(AppendText(dst, v.Type().Field(i).Name), '=')
		if dst, err = appendReflected(dst, v.Field(i), depth+1); err != nil {
			return dst, err
		}
	}
	return append(dst, ')'), nil
}

// appendMap sorts by the keys' texts, as the order of a map changes at each run; by the values' too, because two keys of a
// map[any]T or with a String method may have one text.
func appendMap(dst []byte, v reflect.Value, depth int) ([]byte, error) {
	type entry struct{ key, value []byte }
	entries := make([]entry, 0, v.Len())
	for it := v.MapRange(); it.Next(); {
		key, err := appendReflected(nil, it.Key(), depth+1)
		if err != nil {
			return dst, err
		}
		value, err := appendReflected(nil, it.Value(), depth+1)
		if err != nil {
			return dst, err
		}
		entries = append(entries, entry{key, value})
	}
	slices.SortFunc(entries, func(a, b entry) int {
		return cmp.Or(bytes.Compare(a.key, b.key), bytes.Compare(a.value, b.value))
	})
	dst = append(dst, '(')
	for i, e := range entries {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(append(append(dst, e.key...), '='), e.value...)
	}
	return append(dst, ')'), nil
}
