package auth

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	_ "embed"
	"encoding/base64"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"
	"golang.org/x/text/unicode/norm"

	"github.com/spendwise/spendwise/expense"
)

// The length limits of a password in characters, after NFKC normalisation.
const (
	MinPasswordLength = 12
	MaxPasswordLength = 256
)

// commonPasswords lists common passwords of at least MinPasswordLength characters, case-folded, one a line.
//
//go:embed common_passwords.txt
var commonPasswords string

// normalisePassword returns the form of a password that is measured and hashed: NFKC, as NIST SP 800-63B recommends, so
// that the same password typed on different keyboards matches.
func normalisePassword(password string) string { return norm.NFKC.String(password) }

// checkPassword adds a field error if password is not acceptable for the account with this e-mail address.
func checkPassword(fieldErrs *expense.ValidationErrors, field, password, email string) {
	normal := normalisePassword(password)
	switch n := utf8.RuneCountInString(normal); {
	case !utf8.ValidString(password):
		fieldErrs.Add(field, "malformed", "the password is not valid UTF-8; enter it as text")
	case n == 0:
		fieldErrs.Add(field, "required", "the password is missing; give %d to %d characters, for example several words",
			MinPasswordLength, MaxPasswordLength)
	case n < MinPasswordLength:
		fieldErrs.Add(field, "too_short", "the password has %d characters; give at least %d, for example several words",
			n, MinPasswordLength)
	case n > MaxPasswordLength:
		fieldErrs.Add(field, "too_long", "the password has %d characters; give at most %d", n, MaxPasswordLength)
	case isCommon(normal) || email != "" && expense.Fold(normal) == expense.Fold(normalisePassword(email)):
		fieldErrs.Add(field, "too_common",
			"the password is on the list of common passwords, or it is the e-mail address; choose another one")
	}
}

func isCommon(normal string) bool {
	folded := expense.Fold(normal)
	if _, size := utf8.DecodeRuneInString(folded); strings.Trim(folded, folded[:size]) == "" {
		return true // the same character repeated
	}
	for line := range strings.Lines(commonPasswords) {
		if strings.TrimSuffix(line, "\n") == folded && !strings.HasPrefix(line, "#!") {
			return true
		}
	}
	return false
}

// Parameters of new hashes. The cost is the minimum for argon2id in OWASP's Password Storage Cheat Sheet.
const (
	hashMemory  = 19 * 1024 // KiB
	hashPasses  = 2
	hashThreads = 1
	saltBytes   = 16
	hashBytes   = 32
)

// maxHashes limits how many passwords are hashed concurrently. Each hash takes 19 MiB of memory.
const maxHashes = 4

// A hasher limits the concurrent argon2id hashes to half of the processors and at most maxHashes, so that sign-ins do
// not slow other requests. Only tests change its cost.
type hasher struct {
	semaphore
	memory uint32 // KiB
	passes uint32
}

func newHasher() hasher {
	return hasher{make(semaphore, min(maxHashes, max(1, runtime.GOMAXPROCS(0)/2))), hashMemory, hashPasses}
}

// A semaphore limits concurrency to its capacity.
type semaphore chan struct{}

// acquire waits for a slot; release returns it.
func (s semaphore) acquire(ctx context.Context) (release func(), err error) {
	select {
	case s <- struct{}{}:
		return func() { <-s }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// hash waits for a slot and returns the hash of a password in the PHC string format.
func (h hasher) hash(ctx context.Context, password string) (string, error) {
	release, err := h.acquire(ctx)
	if err != nil {
		return "", err
	}
	defer release()
	return h.hashNow(password), nil
}

// The callers of hashNow, verify and hashDummy must hold a slot.

func (h hasher) hashNow(password string) string {
	fresh := h.newPHC()
	rand.Read(fresh.salt)
	fresh.hash = fresh.key(password, hashBytes)
	return fresh.String()
}

// verify reports whether password matches the encoded hash, and whether the hash has weaker parameters than new ones.
func (h hasher) verify(encoded, password string) (match, outdated bool, err error) {
	parsed, err := parsePHC(encoded)
	if err != nil {
		return false, false, err
	}
	key := parsed.key(password, len(parsed.hash))
	return subtle.ConstantTimeCompare(key, parsed.hash) == 1, h.outdated(parsed), nil
}

// hashDummy takes as long as verify. It is called if there is no hash to verify against.
func (h hasher) hashDummy(password string) { h.newPHC().key(password, hashBytes) }

// A phc is an argon2id hash with its parameters, as encoded in the PHC string format.
type phc struct {
	memory  uint32 // KiB
	passes  uint32
	threads uint8
	salt    []byte
	hash    []byte
}

func (h hasher) newPHC() phc {
	return phc{memory: h.memory, passes: h.passes, threads: hashThreads, salt: make([]byte, saltBytes)}
}

func (p phc) String() string {
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, p.memory, p.passes, p.threads,
		b64.EncodeToString(p.salt), b64.EncodeToString(p.hash))
}

func (p phc) key(password string, size int) []byte {
	return argon2.IDKey([]byte(normalisePassword(password)), p.salt, p.passes, p.memory, p.threads, uint32(size))
}

func (h hasher) outdated(p phc) bool {
	return p.memory < h.memory || p.passes < h.passes || len(p.salt) < saltBytes || len(p.hash) < hashBytes
}

var errPHC = errors.New("the stored password hash is not argon2id in the PHC string format; set a new password")

// parsePHC parses an encoded hash. The upper bounds keep a corrupted row from exhausting the memory.
func parsePHC(text string) (phc, error) {
	parts := strings.Split(text, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return phc{}, errPHC
	}
	var p phc
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &p.memory, &p.passes, &p.threads); err != nil {
		return phc{}, errPHC
	}
	salt, saltErr := base64.RawStdEncoding.Strict().DecodeString(parts[4])
	hash, hashErr := base64.RawStdEncoding.Strict().DecodeString(parts[5])
	p.salt, p.hash = salt, hash
	valid := saltErr == nil && hashErr == nil && p.threads >= 1 &&
		p.memory >= 8*uint32(p.threads) && p.memory <= 1<<18 && p.passes >= 1 && p.passes <= 64 &&
		len(salt) >= 8 && len(salt) <= 64 && len(hash) >= 16 && len(hash) <= 64
	if !valid || p.String() != text {
		return phc{}, errPHC
	}
	return p, nil
}
