package main

import (
	"fmt"
	"io"
	"strings"
)

// A progressBar shows the progress of a command on a terminal. It prints nothing if the output is not a terminal.
type progressBar struct {
	w     io.Writer // nil if not a terminal
	shown bool
}

func newProgressBar(w io.Writer) *progressBar {
	if !isTerminal(w) {
		return &progressBar{}
	}
	return &progressBar{w: w}
}

// barWidth is the width of a bar in characters.
const barWidth = 30

// show draws the bar with a text such as "3 of 10 exported". It ignores errors of the terminal.
func (b *progressBar) show(verb string, done, total int) {
	if b.w == nil || total == 0 {
		return
	}
	b.shown = true
	full := min(done, total) * barWidth / total
	_, _ = fmt.Fprintf(b.w, "\r%s%s %d of %d %s",
		strings.Repeat("█", full), strings.Repeat("░", barWidth-full), done, total, verb)
}

// end moves the cursor below the bar.
func (b *progressBar) end() {
	if b.shown {
		b.shown = false
		_, _ = fmt.Fprintln(b.w)
	}
}
