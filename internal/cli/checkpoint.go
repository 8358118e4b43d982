package cli

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/billfold/billfold/internal/checkpoint"
	"github.com/billfold/billfold/internal/sqlite"
	"github.com/billfold/billfold/internal/verify"
)

// checkpointKeyName is the file in the data directory that `checkpoint key`
// makes.
const checkpointKeyName = "checkpoint.key"

func (p *program) checkpointCommand() *cobra.Command {
	return group("checkpoint", "Sign where every customer's history stands, to prove later that it was kept",
		p.checkpointTakeCommand(), p.checkpointKeyCommand())
}

func (p *program) checkpointTakeCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "take FILE",
		Short: "Write a signed checkpoint of all chains, also beside a running server",
		Long: "Take proves every law, as verify does, and writes where the chains of each customer\n" +
			"stand at that moment to FILE, which must not exist yet, signed with the checkpoint\n" +
			"key. Keep FILE where nobody can write who can write to the database; later\n" +
			"`billfold verify --checkpoint FILE` shows whether history was kept.\n\n" +
			"Exit code 0: it is written. 1: a law is broken, and nothing is. 2: it could not look.",
		Args: arguments("FILE"),
		RunE: func(command *cobra.Command, args []string) error {
			config, err := p.config(command)
			if err != nil {
				return err
			}
			key, err := checkpointKey(config)
			if err != nil {
				return withExit(exitUsage, err)
			}
			options, shown, err := verifyTarget(config, "")
			if err == nil {
				err = requireDirectoryOf(args[0])
			}
			if err != nil {
				return withExit(exitUsage, err)
			}
			return p.takeCheckpoint(command.Context(), options, shown, args[0], key)
		},
	}
	return p.outputFlag(optionFlags(command, "data-dir", "database-url", "checkpoint-key-file"))
}

// verifyTarget is what to verify: a file when one is named, otherwise what the
// configuration says; and how to call it.
func verifyTarget(config Config, file string) (options verify.Options, shown string, err error) {
	if file != "" {
		return verify.Options{Path: file}, file, requireFile(file, "name a backup, or none for the data directory")
	}
	if config.DatabaseURL != "" {
		return verify.Options{DatabaseURL: config.DatabaseURL}, "the database", nil
	}
	path := filepath.Join(config.DataDir, sqlite.FileName)
	return verify.Options{Path: path}, path, requireDatabase(path)
}

// checkpointDocument is what `checkpoint take -o json` prints.
type checkpointDocument struct {
	To string `json:"to"`
	checkpoint.Seal
}

func (p *program) takeCheckpoint(
	ctx context.Context, options verify.Options, shown, to string, key ed25519.PrivateKey,
) (err error) {
	if _, err := os.Lstat(to); !errors.Is(err, fs.ErrNotExist) {
		return withExit(exitUsage, errors.Join(err, fmt.Errorf("%s is there already; name a new file", to)))
	}
	file, err := os.CreateTemp(filepath.Dir(to), filepath.Base(to)+".*")
	if err != nil {
		return withExit(exitUsage, err)
	}
	defer func() {
		// The file has its own name by now, or is of no use.
		err = errors.Join(err, withExit(exitUsage, os.Remove(file.Name())))
	}()
	began := time.Now()
	writer := checkpoint.NewWriter(file)
	options.Heads = writer.Head
	report, err := p.runVerify(ctx, options)
	if err != nil {
		return withExit(exitUsage, errors.Join(err, file.Close()))
	}
	if !report.Clean() {
		return errors.Join(p.judge(report, shown, began, nil), file.Close())
	}
	seal, err := writer.Seal(report.Accounts, began, buildVersion().Version, key)
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, giveToOwner(file), file.Close()); err == nil {
		err = os.Link(file.Name(), to)
	}
	if err = errors.Join(err, syncDir(filepath.Dir(to))); err != nil {
		return withExit(exitUsage, err)
	}
	return p.writeCheckpoint(checkpointDocument{To: absolute(to), Seal: seal})
}

func (p *program) writeCheckpoint(made checkpointDocument) error {
	if p.output == formatTable {
		_, err := fmt.Fprintf(p.stdout, "Every law holds. Signed where %s (%s) stood at %s with key %s, to %s.\n",
			counted(made.Customers, "customer", "customers"), counted(made.Entries, "entry", "entries"),
			made.At.Format(time.RFC3339), made.KeyID, made.To)
		return err
	}
	return p.write(answer{
		columns: []string{"TO", "AT", "CUSTOMERS", "ENTRIES", "RELEASE", "KEY", "DIGEST"},
		rows: [][]string{{
			made.To, made.At.Format(time.RFC3339Nano), fmt.Sprint(made.Customers), fmt.Sprint(made.Entries),
			made.Release, made.KeyID, made.Digest,
		}},
		document: made,
	})
}

// checkpointKeyDocument is what `checkpoint key` prints.
type checkpointKeyDocument struct {
	KeyID     string `json:"key_id"`
	PublicKey string `json:"public_key"`
}

func (p *program) checkpointKeyCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "key",
		Short: "Show the public key of checkpoints, after making the key if there is none",
		Long: "Key shows the public key that checkpoints are checked with. Without BILLFOLD_CHECKPOINT_KEY\n" +
			"the key is in the file that --checkpoint-key-file names, or in " + checkpointKeyName + " in the data\n" +
			"directory. It is made when there is none. Keep the public key with who checks.",
		Args: arguments(),
		RunE: func(command *cobra.Command, _ []string) error {
			config, err := p.config(command)
			if err != nil {
				return err
			}
			if config.CheckpointKey == "" {
				path := checkpointKeyPath(config)
				if err := requireDirectoryOf(path); err != nil {
					return withExit(exitUsage, err)
				}
				if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
					if _, err := makeSecretKey(path); err != nil {
						return err
					}
					p.note("made the key %s; keep a copy of it, and not beside the checkpoints", absolute(path))
				}
			}
			key, err := checkpointKey(config)
			if err != nil {
				return withExit(exitUsage, err)
			}
			public := publicKey(key)
			shown := checkpointKeyDocument{
				KeyID: checkpoint.KeyID(public), PublicKey: base64.StdEncoding.EncodeToString(public),
			}
			return p.write(answer{
				columns:  []string{"KEY", "PUBLIC KEY"},
				rows:     [][]string{{shown.KeyID, shown.PublicKey}},
				document: shown,
			})
		},
	}
	return p.outputFlag(optionFlags(command, "data-dir", "checkpoint-key-file"))
}

func checkpointKeyPath(config Config) string {
	if config.CheckpointKeyFile != "" {
		return config.CheckpointKeyFile
	}
	return filepath.Join(config.DataDir, checkpointKeyName)
}

// checkpointKey returns the key that signs: from the configuration or from its
// file, which only `checkpoint key` makes.
func checkpointKey(config Config) (ed25519.PrivateKey, error) {
	if config.CheckpointKey != "" {
		seed, err := parseSecretKey(config.CheckpointKey)
		if err != nil {
			return nil, fmt.Errorf("checkpoint-key: %w", err)
		}
		return ed25519.NewKeyFromSeed(seed), nil
	}
	path := checkpointKeyPath(config)
	seed, err := readSecretKey(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no checkpoint key %s; make one with `billfold checkpoint key`, "+
			"or name it with --checkpoint-key-file", path)
	}
	if err != nil {
		return nil, fmt.Errorf("checkpoint: %w", err)
	}
	return ed25519.NewKeyFromSeed(seed), nil
}

// publicKey is the half of a key that checks.
func publicKey(key ed25519.PrivateKey) ed25519.PublicKey {
	return ed25519.PublicKey(key[ed25519.SeedSize:])
}

// trustedKey is the public key that a checkpoint must be signed with: the one
// that was given, else that of this installation.
func trustedKey(config Config, given string) (ed25519.PublicKey, error) {
	if given == "" {
		key, err := checkpointKey(config)
		if err != nil {
			return nil, fmt.Errorf("%w; to check with the public key alone, give --public-key", err)
		}
		return publicKey(key), nil
	}
	for _, decode := range []func(string) ([]byte, error){base64.StdEncoding.DecodeString, hex.DecodeString} {
		if key, err := decode(given); err == nil && len(key) == ed25519.PublicKeySize {
			return key, nil
		}
	}
	return nil, errors.New("--public-key: must be 32 bytes in base64 or hex, as `billfold checkpoint key` shows them")
}

// readCheckpoint reads a checkpoint as [checkpoint.Read] does.
func readCheckpoint(
	path string, key ed25519.PublicKey, head func(verify.Head) error,
) (seal checkpoint.Seal, err error) {
	file, err := os.Open(path)
	if err != nil {
		return seal, fmt.Errorf("checkpoint: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if seal, err = checkpoint.Read(file, key, head); err != nil {
		return seal, fmt.Errorf("checkpoint %s: %w", path, err)
	}
	return seal, nil
}
