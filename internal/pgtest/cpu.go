package pgtest

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// CPU is the processor time that the server and its living children have used.
func (c *Cluster) CPU() (sum time.Duration) {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return 0
	}
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		// The second field is a name in parentheses that may contain anything.
		fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
		const parent, user, system, ticks = 1, 11, 12, 100
		pid, postmaster := filepath.Base(filepath.Dir(path)), strconv.Itoa(c.process.Process.Pid)
		if len(fields) <= system || (string(fields[parent]) != postmaster && pid != postmaster) {
			continue
		}
		var used [2]int64
		if _, err := fmt.Sscan(string(fields[user])+" "+string(fields[system]), &used[0], &used[1]); err == nil {
			sum += time.Duration(used[0]+used[1]) * time.Second / ticks
		}
	}
	return sum
}
