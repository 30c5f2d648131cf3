package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"runtime"

	"cosmicman/ort"
)

// revision is the commit that was built, set by the Makefile; "" when it is not known.
var revision string

// version prints what runs here, for reports of faults.
func version(_ context.Context, e *environment, args []string) (err error) {
	fs := flag.NewFlagSet("version", flag.ContinueOnError)
	library := fs.String("library", "", "ONNX Runtime's library or its folder")
	if err := parse(e, fs, args); err != nil {
		return helped(err)
	}
	built := revision
	if built == "" {
		built = "of an unknown revision"
	}
	fmt.Fprintf(e.stdout, "cosmicman %s, %s, %s/%s\n", built, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	rt, err := ort.Open(*library)
	if err != nil {
		fmt.Fprintf(e.stdout, "no ONNX Runtime: %v\n", err)
		return nil
	}
	defer func() { err = errors.Join(err, rt.Close()) }()
	fmt.Fprintf(e.stdout, "ONNX Runtime %s\n", rt.Version())
	return nil
}
