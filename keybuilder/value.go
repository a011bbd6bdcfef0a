package keybuilder

import (
	"encoding"
	"fmt"
	"reflect"
	"strconv"
)

const (
	nilText   = "%nil" // no text gives these two: escaped, a percent is %25
	emptyText = "%"

	maxDepth = 32 // a slice or map may contain itself
)

var (
	byteType      = reflect.TypeFor[byte]()
	marshalerType = reflect.TypeFor[encoding.TextMarshaler]()
	stringerType  = reflect.TypeFor[fmt.Stringer]()
)

// appendValue is the way in; the commonest types need no reflection, having no methods.
func appendValue(dst []byte, v any) ([]byte, error) {
	switch v := v.(type) {
	case string:
		return AppendText(dst, v), nil
	case int:
		return strconv.AppendInt(dst, int64(v), 10), nil
	case int64:
		return strconv.AppendInt(dst, v, 10), nil
	default:
		return appendReflected(dst, reflect.ValueOf(v), 0)
	}
}

func appendReflected(dst []byte, v reflect.Value, depth int) ([]byte, error) {
	if v.Kind() == reflect.Interface {
		v = v.Elem()
	}
	switch {
	case !v.IsValid():
		return append(dst, nilText...), nil
	case depth > maxDepth:
		return dst, fmt.Errorf("%w: nested more than %d deep", ErrValue, maxDepth)
	case v.Kind() == reflect.Pointer && v.IsNil():
		return dst, fmt.Errorf("%w: nil %s", ErrValue, v.Type()) // its methods may well dereference it
	}
	if m := withMethod(v); m != nil {
		text, err := callMethod(m)
		return AppendText(dst, text), err
	}
	return appendKind(dst, v, depth)
}

// withMethod returns v, or the address of a copy where only that will do, if it is a TextMarshaler or else a Stringer.
// It returns nil if v is neither, or was read from an unexported field, on which reflection calls no methods.
func withMethod(v reflect.Value) any {
	if !v.CanInterface() {
		return nil
	}
	t := v.Type()
	for _, want := range [...]reflect.Type{marshalerType, stringerType} {
		if t.Implements(want) {
			return v.Interface()
		}
		if reflect.PointerTo(t).Implements(want) {
			p := reflect.New(t)
			p.Elem().Set(v)
			return p.Interface()
		}
	}
	return nil
}

// callMethod returns the text of a TextMarshaler or Stringer, whose code is the user's: a panic in it is an error.
func callMethod(v any) (text string, err error) {
	defer func() {
		if p := recover(); p != nil {
			text, err = "", fmt.Errorf("%w: %T panicked: %v", ErrValue, v, p)
		}
	}()
	m, ok := v.(encoding.TextMarshaler)
	if !ok {
		return v.(fmt.Stringer).String(), nil
	}
	b, err := m.MarshalText()
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrValue, err)
	}
	return string(b), nil
}

func appendKind(dst []byte, v reflect.Value, depth int) ([]byte, error) {
	switch v.Kind() {
	case reflect.Bool:
		return strconv.AppendBool(dst, v.Bool()), nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return strconv.AppendInt(dst, v.Int(), 10), nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return strconv.AppendUint(dst, v.Uint(), 10), nil
	case reflect.Float32, reflect.Float64:
		return strconv.AppendFloat(dst, v.Float(), 'g', -1, v.Type().Bits()), nil
	case reflect.Complex64, reflect.Complex128:
		text := strconv.FormatComplex(v.Complex(), 'g', -1, v.Type().Bits())
		return append(dst, text[1:len(text)-1]...), nil // without its parentheses
	case reflect.String:
		return AppendText(dst, v.String()), nil
	case reflect.Slice, reflect.Array:
		return appendList(dst, v, depth)
	case reflect.Map:
		return appendMap(dst, v, depth)
	case reflect.Struct:
		return appendStruct(dst, v, depth)
	default:
		return dst, fmt.Errorf("%w: %s is an address", ErrValue, v.Type())
	}
}
