package main

import (
	"crypto/sha256"
	"io"
	"time"

	cdx "github.com/CycloneDX/cyclonedx-go"
	"github.com/CycloneDX/cyclonedx-gomod/pkg/generate/bin"
	"github.com/google/uuid"
	"github.com/rs/zerolog"
)

// writeSBOM writes what a program is made of: the modules that its linker noted, and Go's own library.
func writeSBOM(to io.Writer, program, version string, at time.Time) error {
	generator, err := bin.NewGenerator(program,
		bin.WithIncludeStdlib(true), bin.WithVersionOverride(version), bin.WithLogger(zerolog.Nop()))
	if err != nil {
		return err
	}
	bom, err := generator.Generate()
	if err != nil {
		return err
	}
	bom.Metadata.Timestamp = at.Format(time.RFC3339)
	if bom.SerialNumber, err = serial(bom); err != nil {
		return err
	}
	return encode(to, bom)
}

// serial is an identity that the same content always gets.
func serial(bom *cdx.BOM) (string, error) {
	sum := sha256.New()
	if err := encode(sum, bom); err != nil {
		return "", err
	}
	return uuid.NewHash(sum, uuid.NameSpaceOID, nil, 8).URN(), nil
}

func encode(to io.Writer, bom *cdx.BOM) error {
	return cdx.NewBOMEncoder(to, cdx.BOMFileFormatJSON).SetPretty(true).Encode(bom)
}
