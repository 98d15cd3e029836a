package main

import (
	"os"
	"testing"
)

// TestMain lets the test binary be the program itself, for the tests that run it in a process of its own.
func TestMain(m *testing.M) {
	if os.Getenv("SPENDWISE_TEST_IS_PROGRAM") != "" {
		main()
		return
	}
	os.Exit(m.Run())
}
