//go:build !linux

package pgtest

import (
	"context"
	"fmt"
)

// startLocal would leave a server behind: only Linux ends a child with its parent.
func startLocal(context.Context) (*server, error) {
	return nil, fmt.Errorf("%w: local binaries are used on Linux only", errAbsent)
}
