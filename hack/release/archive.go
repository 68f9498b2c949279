package main

import (
	"archive/tar"
	"archive/zip"
	"compress/gzip"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// entry is a file of an archive.
type entry struct {
	name string // in the archive
	file string
	mode fs.FileMode
}

// tarGz writes an archive that depends on names, modes and contents alone: entries in order, one time, nobody's.
func tarGz(to io.Writer, entries []entry, at time.Time) error {
	zipped := gzip.NewWriter(to)
	w := tar.NewWriter(zipped)
	for _, e := range sorted(entries) {
		text, err := os.ReadFile(e.file)
		if err != nil {
			return err
		}
		h := &tar.Header{Typeflag: tar.TypeReg, Name: e.name, Mode: int64(e.mode), Size: int64(len(text)), ModTime: at, Format: tar.FormatPAX}
		if err := w.WriteHeader(h); err != nil {
			return err
		}
		if _, err := w.Write(text); err != nil {
			return err
		}
	}
	return errors.Join(w.Close(), zipped.Close())
}

// zipped is the same as a zip, for Windows.
func zipped(to io.Writer, entries []entry, at time.Time) error {
	w := zip.NewWriter(to)
	for _, e := range sorted(entries) {
		text, err := os.ReadFile(e.file)
		if err != nil {
			return err
		}
		h := &zip.FileHeader{Name: e.name, Method: zip.Deflate, Modified: at}
		h.SetMode(e.mode)
		file, err := w.CreateHeader(h)
		if err != nil {
			return err
		}
		if _, err := file.Write(text); err != nil {
			return err
		}
	}
	return w.Close()
}

func sorted(entries []entry) []entry {
	return slices.SortedFunc(slices.Values(entries), func(a, b entry) int { return strings.Compare(a.name, b.name) })
}

// write makes a file of what a function writes.
func write(name string, content func(io.Writer) error) error {
	file, err := os.Create(name)
	if err != nil {
		return err
	}
	return errors.Join(content(file), file.Close())
}

// folder returns the files of a folder as entries, with their paths from root.
func folder(root, dir string) (entries []entry, err error) {
	err = filepath.WalkDir(filepath.Join(root, dir), func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(root, file)
		entries = append(entries, entry{name: filepath.ToSlash(name), file: file, mode: 0o644})
		return err
	})
	return entries, err
}
