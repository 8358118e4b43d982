package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestCheckpoint(t *testing.T) {
	t.Parallel()
	dir, testKey := quiet(t)
	beside := t.TempDir()
	file := filepath.Join(beside, "checkpoint.txt")
	run(t, nil, "checkpoint", "take", file, "--data-dir", dir).wantCode(t, exitUsage, "billfold checkpoint key")

	key := decode[checkpointKeyDocument](t, run(t, nil, "checkpoint", "key", "--data-dir", dir, "-o", "json"))
	if again := decode[checkpointKeyDocument](t, run(t, nil, "checkpoint", "key", "--data-dir", dir, "-o", "json")); again != key {
		t.Errorf("key: got %+v the second time, want %+v", again, key)
	}
	if info, err := os.Stat(filepath.Join(dir, checkpointKeyName)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("key file: got %v %v, want one for the owner alone", info, err)
	}
	made := decode[checkpointDocument](t, run(t, nil, "checkpoint", "take", file, "--data-dir", dir, "-o", "json"))
	if made.Customers != 1 || made.Entries != 1 || made.KeyID != key.KeyID || made.To != file {
		t.Errorf("got %+v, want 1 entry of 1 customer with key %s in %s", made, key.KeyID, file)
	}
	if left, err := os.ReadDir(beside); err != nil || len(left) != 1 {
		t.Errorf("beside the checkpoint: got %v %v, want the checkpoint alone", left, err)
	}
	run(t, nil, "checkpoint", "take", file, "--data-dir", dir).wantCode(t, exitUsage, "is there already")

	// It grows, and a checkpoint is taken and checked beside the server.
	s := startServer(t, dir, nil)
	s.customer(t, testKey)
	second := filepath.Join(beside, "second.txt")
	run(t, nil, "checkpoint", "take", second, "--data-dir", dir).wantCode(t, exitDone, "Every law holds", key.KeyID)
	run(t, nil, "verify", "--checkpoint", file, "--data-dir", dir).
		wantCode(t, exitDone, "Every law holds", "History goes on from the checkpoint")
	s.stop(t)

	// A backup is checked with the public key alone.
	backup := filepath.Join(t.TempDir(), "backup.db")
	run(t, nil, "backup", backup, "--data-dir", dir).wantCode(t, exitDone)
	elsewhere := t.TempDir()
	run(t, nil, "verify", backup, "--checkpoint", second, "--data-dir", elsewhere).wantCode(t, exitUsage, "--public-key")
	document := decode[verifyDocument](t, run(t, nil, "verify", backup, "--checkpoint", second,
		"--public-key", key.PublicKey, "--data-dir", elsewhere, "-o", "json"))
	if !document.Clean || document.Checkpoint == nil || document.Checkpoint.KeyID != key.KeyID {
		t.Errorf("got %+v, want it clean and the seal of key %s", document, key.KeyID)
	}
}

func TestACheckpointShowsAnotherHistory(t *testing.T) {
	t.Parallel()
	dir, _ := quiet(t)
	environ := []string{"BILLFOLD_CHECKPOINT_KEY=" + strings.Repeat("ab", secretKeyBytes)}
	file := filepath.Join(t.TempDir(), "checkpoint.txt")
	run(t, environ, "checkpoint", "take", file, "--data-dir", dir).wantCode(t, exitDone)
	run(t, environ, "verify", "--checkpoint", file, "--data-dir", dir).wantCode(t, exitDone)

	other, _ := quiet(t) // keeps every law by itself
	run(t, environ, "verify", "--data-dir", other).wantCode(t, exitDone)
	run(t, environ, "verify", "--checkpoint", file, "--data-dir", other).wantCode(t, exitFailed, "M6", "cus_", "gone")

	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	changed := write(t, filepath.Join(t.TempDir(), "changed"), strings.Replace(string(text), "\t1\t", "\t2\t", 1))
	cut := write(t, filepath.Join(t.TempDir(), "cut"), string(text[:len(text)-9]))
	for path, want := range map[string]string{changed: "was changed", cut: "cut short", "/nonexistent/file": "no such file"} {
		run(t, environ, "verify", "--checkpoint", path, "--data-dir", dir).wantCode(t, exitUsage, want)
	}
	run(t, []string{"BILLFOLD_CHECKPOINT_KEY=" + strings.Repeat("cd", secretKeyBytes)},
		"verify", "--checkpoint", file, "--data-dir", dir).wantCode(t, exitUsage, "it was signed with key")

	damage(t, dir, "update wallets set balance = balance + 1, paid_sum = paid_sum + 1")
	third := filepath.Join(t.TempDir(), "third")
	run(t, environ, "checkpoint", "take", third, "--data-dir", dir).wantCode(t, exitFailed, "M3")
	if left, err := os.ReadDir(filepath.Dir(third)); err != nil || len(left) != 0 {
		t.Errorf("after a checkpoint that was refused: got %v %v, want nothing left", left, err)
	}
}

func TestCheckpointOptions(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	short := write(t, filepath.Join(dir, "short"), "abc")
	for _, c := range []struct {
		environ []string
		args    []string
		want    string
	}{
		{nil, []string{"checkpoint", "take"}, "FILE is missing"},
		{nil, []string{"checkpoint", "key", "--checkpoint-key-file", short}, "32 bytes"},
		{nil, []string{"checkpoint", "key", "--checkpoint-key-file", "/nonexistent/key"}, "there is no directory"},
		{[]string{"BILLFOLD_CHECKPOINT_KEY=abc"}, []string{"checkpoint", "key"}, "checkpoint-key: must be 32 bytes"},
		{[]string{"BILLFOLD_CHECKPOINT_KEY=" + strings.Repeat("ab", secretKeyBytes)},
			[]string{"checkpoint", "key", "--checkpoint-key-file", short}, "set only one"},
		{nil, []string{"verify", "--public-key", "x"}, "--public-key goes with --checkpoint"},
		{nil, []string{"verify", "--quick", "--checkpoint", short}, "--quick does not"},
	} {
		run(t, c.environ, append(c.args, "--data-dir", dir)...).wantCode(t, exitUsage, c.want)
	}
	full, _ := quiet(t)
	run(t, nil, "verify", "--checkpoint", short, "--public-key", "x", "--data-dir", full).
		wantCode(t, exitUsage, "--public-key: must be 32 bytes")
}
