package faultdisk_test

import (
	"context"
	"testing"

	"github.com/billfold/billfold/e2e/faultdisk"
	"github.com/billfold/billfold/e2e/harness"
	"github.com/billfold/billfold/internal/sqlite"
	"github.com/billfold/billfold/internal/verify"
)

// TestFaultsHaveTeeth lets the disk lie about its syncs: then a power cut loses
// what was acknowledged, and the sweep must see it.
func TestFaultsHaveTeeth(t *testing.T) {
	campaign := harness.NewCampaign(t)
	template := newTemplate(t)
	kinds := template.dryRun(t)
	for at := 0; at < len(kinds); at += 7 {
		trial := template.run(t, func(op faultdisk.Operation) faultdisk.Code {
			switch {
			case op.Number == at+1:
				return faultdisk.Cut
			case op.Kind == faultdisk.Sync:
				return faultdisk.Lie
			}
			return faultdisk.OK
		})
		trial.survivors(t, faultdisk.KeepsNothing, campaign.Rand(uint64(at)))
		if !trial.sound(t) {
			campaign.Add("cuts that lost", 1)
		}
		trial.remove(t)
		campaign.Add("cuts under a disk that lies", 1)
	}
	campaign.Want("cuts that lost", 5)
}

// syncOnly is the log of a store that trusts a second sync: it syncs what it
// finds and does not write it anew.
type syncOnly struct{ *faultdisk.File }

func (syncOnly) WriteAt(data []byte, _ int64) (int, error) { return len(data), nil }

// TestSettlingHasTeeth starts such a store after a failed sync, lets it answer
// repeats, and cuts the power: then what it answered is lost, and the sweep must
// see it.
func TestSettlingHasTeeth(t *testing.T) {
	campaign := harness.NewCampaign(t)
	template := newTemplate(t)
	failed := fault{code: faultdisk.SyncError, only: faultdisk.Sync}
	for at, kind := range template.dryRun(t) {
		if kind != faultdisk.Sync {
			continue
		}
		trial := template.try(t, failed, at+1, campaign.Rand(uint64(at)))
		trial.restart(t, "again")
		db, err := openStoreWithLog(trial.dir, func(path string) (sqlite.LogFile, error) {
			file, err := faultdisk.Open(path)
			return syncOnly{file}, err
		})
		if err == nil {
			trial.answerRepeats(t, "a store that only syncs", db)
			trial.disk.Cut()
			_ = db.Close() // without power it cannot empty the log
		}
		trial.survivors(t, faultdisk.KeepsNothing, trial.random)
		if !trial.sound(t) {
			campaign.Add("starts that lost", 1)
		}
		trial.remove(t)
		campaign.Add("starts after a failed sync", 1)
	}
	campaign.Want("starts that lost", 1)
}

// sound reports whether what is there can be opened, has every acknowledged
// entry and keeps every law.
func (trial *trial) sound(t *testing.T) bool {
	t.Helper()
	db, err := openStore(trial.dir)
	if err != nil {
		return false
	}
	missing, err := trial.missing(db)
	if closeErr := db.Close(); closeErr != nil {
		t.Error(closeErr)
	}
	report, verifyErr := verify.Run(context.Background(), verify.Options{Path: trial.dir})
	return err == nil && len(missing) == 0 && verifyErr == nil && report.Clean()
}
