package keybuilder

// What stands for itself in a text of each kind; bytes from 0x80 on do, so that UTF-8 stays readable.
var (
	textReserved = reserved("%(),=")
	nameReserved = reserved("%(),=:")
)

func reserved(chars string) *[256]bool {
	table := [256]bool{0x7f: true}
	for c := range byte(' ' + 1) {
		table[c] = true
	}
	for _, c := range []byte(chars) {
		table[c] = true
	}
	return &table
}

// AppendName appends a function's or parameter's name as it stands in a key: percent, parentheses, comma, equals sign, colon,
// space and control characters percent-encoded. It does not allocate, apart from the room that dst lacks.
func AppendName(dst []byte, s string) []byte { return appendEscaped(dst, s, nameReserved) }

// AppendText appends a value's text as it stands in a key: encoded as by AppendName, except that a colon stays.
func AppendText(dst []byte, s string) []byte { return appendEscaped(dst, s, textReserved) }

func appendEscaped[S string | []byte](dst []byte, s S, reserved *[256]bool) []byte {
	const hex = "0123456789ABCDEF"
	done := 0
	for i := range len(s) {
		if c := s[i]; reserved[c] {
			dst = append(dst, s[done:i]...)
			dst = append(dst, '%', hex[c>>4], hex[c&15])
			done = i + 1
		}
	}
	return append(dst, s[done:]...)
}
