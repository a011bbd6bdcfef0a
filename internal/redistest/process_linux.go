package redistest

import "syscall"

// endWithParent makes the kernel end a process when the test process dies in a way that runs no cleanup.
func endWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
