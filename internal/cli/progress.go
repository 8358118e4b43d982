package cli

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// progress draws a bar on a terminal and nothing elsewhere, so that logs stay
// readable. It is used by one goroutine at a time.
type progress struct {
	to    io.Writer // nil: nobody watches
	label string
	began time.Time
	drawn time.Time
}

const (
	progressWidth    = 30
	progressInterval = 100 * time.Millisecond
)

func (p *program) progress(label string) *progress {
	bar := &progress{label: label, began: time.Now()}
	if isTerminal(p.stderr) {
		bar.to = p.stderr
	}
	return bar
}

// set shows that done of total is done.
func (p *progress) set(done, total int64) {
	now := time.Now()
	if p.to == nil || total <= 0 || (now.Sub(p.drawn) < progressInterval && done < total) {
		return
	}
	p.drawn = now
	filled := int(min(done, total) * progressWidth / total)
	fmt.Fprintf(p.to, "\r%-8s %s%s %3d%%  %s ", p.label,
		strings.Repeat("█", filled), strings.Repeat("░", progressWidth-filled),
		min(done, total)*100/total, now.Sub(p.began).Round(time.Second))
}

// done removes the bar.
func (p *progress) done() {
	if p.to != nil && !p.drawn.IsZero() {
		fmt.Fprintf(p.to, "\r%s\r", strings.Repeat(" ", progressWidth+30))
	}
}

// count shows how many are done where nobody knows of how many.
func (p *progress) count(done int64, of string) {
	now := time.Now()
	if p.to == nil || now.Sub(p.drawn) < progressInterval {
		return
	}
	p.drawn = now
	fmt.Fprintf(p.to, "\r%-8s %d %s  %s ", p.label, done, of, now.Sub(p.began).Round(time.Second))
}
