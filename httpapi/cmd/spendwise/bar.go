package main

import (
	"fmt"
	"io"
	"strings"
)

// A bar shows on a terminal how far a command is; anywhere else it shows nothing.
type bar struct {
	w     io.Writer // nil: no terminal
	shown bool
}

func newBar(w io.Writer) *bar {
	if !isTerminal(w) {
		return &bar{}
	}
	return &bar{w: w}
}

// barWidth is how many cells a bar has.
const barWidth = 30

// show draws the bar; what cannot be drawn is no reason to stop.
func (b *bar) show(verb string, done, all int) {
	if b.w == nil || all == 0 {
		return
	}
	b.shown = true
	full := min(done, all) * barWidth / all
	_, _ = fmt.Fprintf(b.w, "\r%s%s %d of %d %s", strings.Repeat("█", full), strings.Repeat("░", barWidth-full), done, all, verb)
}

// end leaves the bar's line.
func (b *bar) end() {
	if b.shown {
		b.shown = false
		_, _ = fmt.Fprintln(b.w)
	}
}
