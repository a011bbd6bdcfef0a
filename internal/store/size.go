package store

import "unsafe"

// What the parts of an entry take on a 64-bit machine beside their bytes.
const (
	entryStruct    = int(unsafe.Sizeof(Entry{}))
	fieldStruct    = int(unsafe.Sizeof(Field{}))
	variantsStruct = int(unsafe.Sizeof(Variants{}))
	stringHeader   = int(unsafe.Sizeof(""))
)

// The allocator's granularity: small objects come in classes up to an eighth apart, large ones in whole pages.
const (
	largestClass = 32 << 10
	heapPage     = 8 << 10
)

// Size is how many bytes e holds in memory: its text and body, its structs, and what the allocator rounds up.
func (e *Entry) Size() int {
	return entryStruct + e.Lists() + HeapSize(e.textBytes()) + HeapSize(len(e.Body))
}

// Lists is the size of the slices' elements, the strings' bytes excluded: what decoding adds to the binary form.
func (e *Entry) Lists() int {
	n := len(e.Fields)*fieldStruct + e.texts()*stringHeader
	if e.Variants != nil {
		n += variantsStruct
	}
	return n
}

func (e *Entry) textBytes() int {
	n := len(e.Key) + len(e.Target) + len(e.Position.History) + sumLen(e.Tags)
	for i := range e.Fields {
		n += len(e.Fields[i].Name) + sumLen(e.Fields[i].Values)
	}
	if e.Variants != nil {
		n += sumLen(e.Variants.Names) + sumLen(e.Variants.Keys)
	}
	return n
}

func sumLen(list []string) (n int) {
	for _, s := range list {
		n += len(s)
	}
	return n
}

// HeapSize is what an allocation of n bytes takes.
func HeapSize(n int) int {
	if n > largestClass {
		return (n + heapPage - 1) / heapPage * heapPage
	}
	return n + n/8
}
