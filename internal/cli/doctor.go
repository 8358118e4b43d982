package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/billfold/billfold/internal/sqlite"
)

// finding is what one check of the doctor found.
type finding struct {
	Check  string `json:"check"`
	Status string `json:"status"` // OK, WARN or FAIL
	Found  string `json:"found"`
	Next   string `json:"next,omitempty"` // what to do about it
}

const (
	statusOK   = "OK"
	statusWarn = "WARN"
	statusFail = "FAIL"
)

func ok(check, format string, args ...any) finding {
	return finding{Check: check, Status: statusOK, Found: fmt.Sprintf(format, args...)}
}

func warn(check, found, next string) finding {
	return finding{Check: check, Status: statusWarn, Found: found, Next: next}
}

func fail(check, found, next string) finding {
	return finding{Check: check, Status: statusFail, Found: found, Next: next}
}

func (p *program) doctorCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "doctor",
		Short: "Check the installation and say what to do about what is wrong",
		Long: "Doctor looks at the data directory, its file system, the database and the limits\n" +
			"of this machine, and asks the message brokers that are configured. It changes\n" +
			"nothing and works beside a running server. Exit code 1 says that a check failed.",
		Args: arguments(),
		RunE: func(command *cobra.Command, _ []string) error {
			config, err := p.config(command)
			if err != nil {
				return err
			}
			if err := embeddedOnly(config, "doctor", "the start of an instance checks the server"); err != nil {
				return err
			}
			findings := examine(command.Context(), config)
			if err := p.write(findingsAnswer(findings)); err != nil {
				return err
			}
			for _, found := range findings {
				if found.Status == statusFail {
					return errors.New("at least one check failed")
				}
			}
			return nil
		},
	}
	return p.outputFlag(optionFlags(command, "data-dir"))
}

func findingsAnswer(findings []finding) answer {
	a := answer{
		columns: []string{"CHECK", "STATUS", "FOUND", "NEXT STEP"}, texts: []string{"FOUND", "NEXT STEP"}, document: findings,
	}
	for _, f := range findings {
		a.rows = append(a.rows, []string{f.Check, f.Status, f.Found, f.Next})
	}
	return a
}

// examine runs every check. A check that would only repeat the failure of the
// one it builds on is left out.
func examine(ctx context.Context, config Config) []finding {
	directory := examineDirectory(config.DataDir)
	findings := []finding{directory}
	if directory.Status != statusFail {
		findings = append(findings, examineFileSystem(config.DataDir)...)
		findings = append(findings, examineHolder(ctx, config.DataDir), examineSecret(config))
		findings = append(findings, examineDatabase(ctx, config.DataDir)...)
	}
	findings = append(findings, examineClock(config.DataDir), examineFiles(), examineMemory(config))
	return append(findings, examineSinks(ctx, config)...)
}

// sinkWithin is how long a message broker may take to answer the doctor.
const sinkWithin = 5 * time.Second

// examineSinks looks whether the message brokers that are configured would take events.
// It publishes nothing.
func examineSinks(ctx context.Context, config Config) (findings []finding) {
	sinks, err := config.sinks()
	if err != nil {
		return []finding{fail("message brokers", err.Error(), "check the file, and that this user may read it")}
	}
	for _, sink := range sinks {
		within, cancel := context.WithTimeout(ctx, sinkWithin)
		err := sink.broker.Check(within)
		cancel()
		sink.broker.Close()
		if err != nil {
			findings = append(findings, warn(sink.name, sink.shown+": "+err.Error(),
				"events wait in the database meanwhile; see docs/brokers.md for what the broker must have"))
			continue
		}
		findings = append(findings, ok(sink.name, "%s takes events", sink.shown))
	}
	return findings
}

func examineDirectory(dir string) finding {
	const check = "data directory"
	shown := absolute(dir)
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fail(check, shown+" does not exist", "run `billfold serve`, which makes it, or set --data-dir")
	case err != nil:
		return fail(check, err.Error(), "check the owner of the directories above it")
	case !info.IsDir():
		return fail(check, shown+" is not a directory", "set --data-dir to a directory")
	}
	switch err := unix.Access(dir, unix.R_OK|unix.W_OK|unix.X_OK); {
	case errors.Is(err, unix.EROFS):
		return fail(check, shown+" is on a read-only file system",
			"look at dmesg for why, then mount it for writing again")
	case err != nil:
		return fail(check, shown+" cannot be written by this user",
			"run as the user of the server, or give that user the directory: chown -R <user> "+shown)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return warn(check, fmt.Sprintf("%s is open to other users, mode %04o", shown, info.Mode().Perm()), "chmod 700 "+shown)
	}
	return ok(check, "%s, mode %04o", shown, info.Mode().Perm())
}

// freeBytesWarn is how little free space is worth a word: about two million
// entries.
const freeBytesWarn = 1 << 30

func examineFileSystem(dir string) []finding {
	const check, space = "file system", "free space"
	found, err := sqlite.FileSystemOf(dir)
	if err != nil {
		return []finding{fail(check, err.Error(), "check that the disk is mounted")}
	}
	kind := ok(check, "%s", found.Name)
	switch {
	case found.Network:
		kind = fail(check, found.Name+" has no reliable locks", "move the data directory to a local disk")
	case found.Volatile:
		kind = warn(check, found.Name+" is lost when the machine stops", "move the data directory to a disk")
	case found.Name == "overlayfs":
		kind = warn(check, "overlayfs is lost with the container", "mount a volume at the data directory")
	}
	free := ok(space, "%s", byteCount(found.FreeBytes))
	if found.FreeBytes < freeBytesWarn {
		free = warn(space, byteCount(found.FreeBytes)+" left", "free or add space; a full disk refuses writes until there is some")
	}
	return []finding{kind, free}
}

func examineHolder(ctx context.Context, dir string) finding {
	const check = "server"
	client, err := dialAdmin(ctx, dir)
	if err != nil {
		return warn(check, err.Error(), "run doctor as the user of the server")
	}
	holder, err := sqlite.LockHolder(dir)
	switch {
	case err != nil:
		return fail(check, err.Error(), "check the owner of "+filepath.Join(dir, sqlite.LockName))
	case client != nil:
		return ok(check, "running, %s", holder)
	case holder != "":
		return warn(check, holder+" holds the directory and does not answer on "+socketName,
			"wait if it is starting or stopping; if it hangs, end it and start the server again")
	}
	// Beside a running server nothing is made in the directory, so any user that
	// gets in will do.
	if info, err := os.Stat(dir); err == nil {
		if owner, known := info.Sys().(*syscall.Stat_t); known && int(owner.Uid) != os.Geteuid() {
			return warn(check, fmt.Sprintf("not running; the directory belongs to user %d, this is user %d",
				owner.Uid, os.Geteuid()), "run commands as the owner while no server runs: it may not read what others make")
		}
	}
	return ok(check, "not running")
}

func examineSecret(config Config) finding {
	const check = "secret key"
	if config.SecretKey != "" {
		return ok(check, "from %s", envName("secret-key"))
	}
	path := config.SecretKeyFile
	if path == "" {
		path = filepath.Join(config.DataDir, secretKeyName)
	}
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) && config.SecretKeyFile == "" {
		if _, err := os.Stat(filepath.Join(config.DataDir, sqlite.FileName)); err == nil {
			return warn(check, "there is none beside the database; the next start makes one",
				"if there was one, put it back: page cursors that clients hold and the secrets of webhooks end with it")
		}
		return ok(check, "not made yet; the first start makes it")
	}
	if _, err = readSecretKey(path); err != nil {
		return fail(check, err.Error(), "put the key back from where you keep it")
	}
	if info.Mode().Perm()&0o077 != 0 {
		return warn(check, fmt.Sprintf("%s is open to other users, mode %04o", path, info.Mode().Perm()), "chmod 600 "+path)
	}
	return ok(check, "%s", absolute(path))
}

func examineDatabase(ctx context.Context, dir string) []finding {
	const check, durability = "schema", "durability"
	path := filepath.Join(dir, sqlite.FileName)
	applied, known, err := sqlite.Schema(path)
	switch {
	case err != nil && unix.Access(path, unix.R_OK|unix.W_OK) != nil:
		return []finding{fail(check, absolute(path)+" cannot be read and written by this user",
			"run as the user of the server, or give that user the file: chown <user> "+absolute(path))}
	case err != nil:
		// The error ends with what to do, which here has a column of its own.
		found, _, _ := strings.Cut(err.Error(), "; ")
		return []finding{fail(check, found, "keep the file for inspection and restore the last backup into a new "+
			"directory with `billfold restore`")}
	case len(applied) == 0:
		return []finding{ok(check, "no database yet; the first start makes it")}
	case len(applied) > len(known):
		return []finding{fail(check, fmt.Sprintf("version %d, this binary knows %d", len(applied), len(known)),
			"use the newer binary; schemas never go back")}
	}
	findings := []finding{ok(check, "version %d", len(applied))}
	if len(applied) < len(known) {
		findings[0] = warn(check, fmt.Sprintf("version %d of %d", len(applied), len(known)),
			"make a backup; the next `billfold serve` brings the schema up to date")
	}
	if err := sqlite.CheckDurability(dir); err != nil {
		findings = append(findings, fail(durability, err.Error(), "do not serve from this binary; report it"))
	} else {
		findings = append(findings, ok(durability, "WAL with synchronous=FULL, read back"))
	}
	if len(applied) < len(known) {
		return findings
	}
	return append(findings, examineLaws(ctx, path), examineTransfers(ctx, dir, time.Now()))
}

// transitMax is how long a transfer may be in transit before it is worth a word.
const transitMax = time.Minute

func examineTransfers(ctx context.Context, dir string, now time.Time) finding {
	const check = "transfers"
	overdue, err := sqlite.OverdueTransfers(ctx, filepath.Join(dir, sqlite.FileName), now.Add(-transitMax))
	switch {
	case err != nil:
		return fail(check, err.Error(), "restore the last backup with `billfold restore`")
	case overdue > 0:
		return warn(check, fmt.Sprintf("%d in transit for over a minute", overdue),
			"start the server, which finishes them; if it runs, its log says what keeps it from that")
	}
	return ok(check, "none is overdue")
}

// earliestClock is before any clock that is set can be: the year in which this
// program was written.
var earliestClock = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// clockSlack is how far the files may be ahead of the clock: file systems cut
// times to their own grain.
const clockSlack = 2 * time.Minute

func examineClock(dir string) finding {
	const check = "clock"
	now := time.Now()
	if now.Before(earliestClock) {
		return fail(check, "it is "+now.UTC().Format(time.RFC3339)+" here", "set the clock and keep it set with NTP")
	}
	for _, name := range []string{sqlite.FileName, sqlite.FileName + "-wal"} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err == nil && info.ModTime().After(now.Add(clockSlack)) {
			return warn(check, fmt.Sprintf("%s was written %s in the future", name, info.ModTime().Sub(now).Round(time.Second)),
				"the clock was set back; keep it set with NTP. Entries stay in order regardless")
		}
	}
	return ok(check, "%s", now.UTC().Format(time.RFC3339))
}

// filesWarn is how many open files a server should be allowed: each connection
// is one.
const filesWarn = 4096

func examineFiles() finding {
	const check = "open files"
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return fail(check, err.Error(), "report it")
	}
	// Go raises the soft limit to the hard one by itself.
	if limit.Max < filesWarn {
		return warn(check, fmt.Sprintf("at most %d", limit.Max), fmt.Sprintf("allow at least %d, such as by LimitNOFILE in the unit file", filesWarn))
	}
	return ok(check, "at most %d", limit.Max)
}

func examineMemory(config Config) finding {
	const check = "memory"
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return fail(check, err.Error(), "report it")
	}
	total := int64(info.Totalram) * int64(info.Unit)
	found := fmt.Sprintf("%s, memory-limit is %s", byteCount(total), byteCount(int64(config.MemoryLimit)))
	if total < 2*int64(config.MemoryLimit) {
		return warn(check, found, "lower memory-limit or add memory")
	}
	return ok(check, "%s", found)
}

func absolute(path string) string {
	if whole, err := filepath.Abs(path); err == nil {
		return whole
	}
	return path
}
