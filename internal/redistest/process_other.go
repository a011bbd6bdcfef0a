//go:build !linux

package redistest

import "syscall"

// endWithParent asks for nothing: only Linux can tie a process to its parent's life.
func endWithParent() *syscall.SysProcAttr { return nil }
