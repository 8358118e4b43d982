package pgtest

import (
	"fmt"
	"strconv"
)

// Standby makes a copy of a running cluster in a directory that it makes, and
// starts it as its standby, which streams from it. A port of 0 means a free one.
// The programs that copy are of the machine's packages, so the cluster must be
// of that release.
func (c *Cluster) Standby(dir string, port int, settings ...string) (*Cluster, error) {
	bin, err := Bin()
	if err != nil {
		return nil, err
	}
	standby := &Cluster{dir: dir, bin: bin, port: port, options: settings}
	if err := standby.prepare(); err != nil {
		return nil, err
	}
	if port == 0 {
		if standby.port, err = FreePort(); err != nil {
			return nil, err
		}
	}
	backup := standby.command("pg_basebackup", "--pgdata="+dir, "--host=127.0.0.1", "--port="+strconv.Itoa(c.port),
		"--username=billfold", "--checkpoint=fast", "--wal-method=stream", "--write-recovery-conf")
	if output, err := backup.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("pg_basebackup: %w\n%s", err, output)
	}
	return standby, standby.Start()
}

// Promote makes a standby take writes, and returns when it does.
func (c *Cluster) Promote() error {
	promote := c.command("pg_ctl", "promote", "--pgdata="+c.dir, "--wait")
	if output, err := promote.CombinedOutput(); err != nil {
		return fmt.Errorf("pg_ctl promote: %w\n%s", err, output)
	}
	return nil
}
