//go:build !linux

package pgtest

import (
	"context"
	"fmt"
)

// startLocal would leave a server behind: only Linux ends a child with its parent.
func startLocal(context.Context) (string, error) {
	return "", fmt.Errorf("%w: local binaries are used on Linux only", errAbsent)
}
