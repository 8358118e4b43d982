package cli

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// secretKeyBytes is the length of the installation's secret key.
const secretKeyBytes = 32

// secretKeyName is the file in the data directory that the first start makes.
const secretKeyName = "secret.key"

// parseSecretKey reads 32 bytes in hex or in any of the common forms of base64.
func parseSecretKey(text string) ([]byte, error) {
	text = strings.TrimSpace(text)
	decoders := []func(string) ([]byte, error){
		hex.DecodeString,
		base64.StdEncoding.DecodeString, base64.RawStdEncoding.DecodeString,
		base64.URLEncoding.DecodeString, base64.RawURLEncoding.DecodeString,
	}
	for _, decode := range decoders {
		if key, err := decode(text); err == nil && len(key) == secretKeyBytes {
			return key, nil
		}
	}
	return nil, fmt.Errorf("must be %d bytes in base64 or hex, such as from: openssl rand -base64 %d",
		secretKeyBytes, secretKeyBytes)
}

// secretKey returns the installation's secret: from the configuration, from
// the file that it names, or from the file in the data directory, which is
// made when it is missing.
func secretKey(config Config, logger *slog.Logger) ([]byte, error) {
	if key, err := configuredSecret(config); key != nil || err != nil {
		return key, err
	}
	path := filepath.Join(config.DataDir, secretKeyName)
	key, err := readSecretKey(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	// Beside a PostgreSQL database nobody has made the directory yet.
	if err := os.MkdirAll(config.DataDir, 0o700); err != nil {
		return nil, fmt.Errorf("make the data directory: %w", err)
	}
	if key, err = makeSecretKey(path); err == nil {
		logger.Info("made the secret key; keep a copy of it apart from the backups", "file", absolute(path))
	}
	return key, err
}

// configuredSecret returns the secret that the configuration gives or names,
// and nil when it does neither.
func configuredSecret(config Config) ([]byte, error) {
	switch {
	case config.SecretKey != "":
		return parseSecretKey(config.SecretKey)
	case config.SecretKeyFile == "":
		return nil, nil
	}
	key, err := readSecretKey(config.SecretKeyFile)
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("secret-key-file: there is no file %s; put the key back from where you keep it, "+
			"or make one: openssl rand -base64 %d", config.SecretKeyFile, secretKeyBytes)
	}
	return key, withExit(exitUsage, err)
}

// oldSecrets returns the secret that the installation had before this one, if the
// configuration gives or names one. It refuses a configuration whose present one cannot be
// read.
func oldSecrets(config Config) ([][]byte, error) {
	if _, err := configuredSecret(config); err != nil {
		return nil, err
	}
	var key []byte
	var err error
	switch {
	case config.OldSecretKey != "":
		key, err = parseSecretKey(config.OldSecretKey)
	case config.OldSecretKeyFile == "":
		return nil, nil
	default:
		if key, err = readSecretKey(config.OldSecretKeyFile); err != nil {
			err = withExit(exitUsage, fmt.Errorf("old-secret-key-file: %w", err))
		}
	}
	return [][]byte{key}, err
}

func readSecretKey(path string) ([]byte, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("secret key: %w", err)
	}
	key, err := parseSecretKey(string(text))
	if err != nil {
		return nil, fmt.Errorf("secret key in %s: %w", path, err)
	}
	return key, nil
}

// makeSecretKey makes a fresh key and keeps it, unless another process was
// faster: then that one's key is the key.
func makeSecretKey(path string) ([]byte, error) {
	key := make([]byte, secretKeyBytes)
	if _, err := rand.Read(key); err != nil {
		return nil, fmt.Errorf("secret key: %w", err)
	}
	err := writeSecretKey(path, key)
	if errors.Is(err, fs.ErrExist) {
		return readSecretKey(path)
	}
	if err != nil {
		return nil, fmt.Errorf("secret key: %w", err)
	}
	return key, nil
}

// writeSecretKey keeps a key in a file that is not there yet.
func writeSecretKey(path string, key []byte) error {
	return writeFileWhole(path, []byte(base64.StdEncoding.EncodeToString(key)+"\n"))
}

// writeFileWhole writes a file that only its owner may read and that is not
// there yet. It writes beside the final name and links, so that a crash leaves
// the file whole or absent.
func writeFileWhole(path string, text []byte) error {
	file, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	_, err = file.Write(text)
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, giveToOwner(file), file.Close()); err == nil {
		err = os.Link(file.Name(), path)
	}
	if err = errors.Join(err, os.Remove(file.Name())); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// giveToOwner gives a file to the owner of its directory. An administrator who
// starts the server by hand must not leave a key that the service cannot read.
func giveToOwner(file *os.File) error {
	info, err := os.Stat(filepath.Dir(file.Name()))
	if err != nil {
		return err
	}
	owner, known := info.Sys().(*syscall.Stat_t)
	if !known || os.Geteuid() != 0 {
		return nil // only the administrator may give files away
	}
	return file.Chown(int(owner.Uid), int(owner.Gid))
}

// syncDir makes the names in a directory durable.
func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
