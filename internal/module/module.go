// Package module finds the files of this module, for tests that build or start
// something of it.
package module

import (
	"errors"
	"os"
	"path/filepath"
)

// Root is the folder above the running test that has the module's file.
func Root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("there is no go.mod above the test")
		}
	}
}
