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

// The bounds of a password, in characters.
const (
	MinPasswordLength = 12
	MaxPasswordLength = 256
)

// commonPasswords holds the commonest passwords of at least MinPasswordLength characters, folded, one a line.
//
//go:embed common_passwords.txt
var commonPasswords string

// normalisePassword returns the form in which a password is counted and hashed: NFKC, as NIST SP 800-63B asks for, so that
// neither a keyboard that composes accents nor a full-width one locks anybody out.
func normalisePassword(password string) string { return norm.NFKC.String(password) }

// checkPassword notes under field what keeps password from being one of the account with this e-mail address.
func checkPassword(faults *expense.ValidationErrors, field, password, email string) {
	normal := normalisePassword(password)
	switch n := utf8.RuneCountInString(normal); {
	case !utf8.ValidString(password):
		faults.Add(field, "malformed", "a password is text in UTF-8")
	case n < MinPasswordLength:
		faults.Add(field, "too_short", "a password has at least %d characters; a few words in a row are a good one", MinPasswordLength)
	case n > MaxPasswordLength:
		faults.Add(field, "too_long", "a password has at most %d characters", MaxPasswordLength)
	case isCommon(normal) || email != "" && expense.Fold(normal) == expense.Fold(normalisePassword(email)):
		faults.Add(field, "too_common", "this password is among the first that anyone would try; take another one")
	}
}

func isCommon(normal string) bool {
	folded := expense.Fold(normal)
	if _, size := utf8.DecodeRuneInString(folded); strings.Trim(folded, folded[:size]) == "" {
		return true // one character over and over
	}
	for line := range strings.Lines(commonPasswords) {
		if strings.TrimSuffix(line, "\n") == folded && !strings.HasPrefix(line, "#!") {
			return true
		}
	}
	return false
}

// What a hash takes today: OWASP's floor for argon2id.
const (
	hashMemory  = 19 * 1024 // KiB
	hashPasses  = 2
	hashThreads = 1
	saltBytes   = 16
	hashBytes   = 32
)

// maxHashes is how many passwords are hashed at once at most: each takes 19 MiB, and more at once would end later.
const maxHashes = 4

// A hasher hashes passwords by argon2id, on half of the processors and no more than maxHashes: whoever signs in waits for the
// others who do, and the requests of those who have signed in wait for nobody.
type hasher struct {
	slots chan struct{}
}

func newHasher() *hasher {
	return &hasher{slots: make(chan struct{}, min(maxHashes, max(1, runtime.GOMAXPROCS(0)/2)))}
}

// enter waits for a turn to hash; leave ends it.
func (h *hasher) enter(ctx context.Context) (leave func(), err error) {
	select {
	case h.slots <- struct{}{}:
		return func() { <-h.slots }, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("waiting to hash a password: %w", context.Cause(ctx))
	}
}

// hash waits for a turn and returns the hash of a password in the PHC string format.
func (h *hasher) hash(ctx context.Context, password string) (string, error) {
	leave, err := h.enter(ctx)
	if err != nil {
		return "", err
	}
	defer leave()
	return hashPassword(password), nil
}

// hashPassword, verifyPassword and burnPassword are called by whoever has a turn.

func hashPassword(password string) string {
	made := newPHC()
	rand.Read(made.salt)
	made.hash = made.key(password, hashBytes)
	return made.String()
}

// verifyPassword reports whether password is the one of the hash kept, and whether that should be made anew at today's cost.
func verifyPassword(kept, password string) (match, outdated bool, err error) {
	parsed, err := parsePHC(kept)
	if err != nil {
		return false, false, err
	}
	key := parsed.key(password, len(parsed.hash))
	return subtle.ConstantTimeCompare(key, parsed.hash) == 1, parsed.outdated(), nil
}

// burnPassword takes the time of verifyPassword where there is no hash to verify against.
func burnPassword(password string) { newPHC().key(password, hashBytes) }

// A phc is an argon2id hash with all that verifying it takes, as the PHC string format writes it.
type phc struct {
	memory  uint32 // KiB
	passes  uint32
	threads uint8
	salt    []byte
	hash    []byte
}

func newPHC() phc {
	return phc{memory: hashMemory, passes: hashPasses, threads: hashThreads, salt: make([]byte, saltBytes)}
}

func (p phc) String() string {
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, p.memory, p.passes, p.threads,
		b64.EncodeToString(p.salt), b64.EncodeToString(p.hash))
}

func (p phc) key(password string, size int) []byte {
	return argon2.IDKey([]byte(normalisePassword(password)), p.salt, p.passes, p.memory, p.threads, uint32(size))
}

func (p phc) outdated() bool {
	return p.memory < hashMemory || p.passes < hashPasses || len(p.salt) < saltBytes || len(p.hash) < hashBytes
}

var errPHC = errors.New("the password hash kept is none of argon2id in the PHC string format: set the password anew")

// parsePHC reads a hash. The bounds keep a damaged row from taking the machine's memory.
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
	sound := saltErr == nil && hashErr == nil && p.threads >= 1 &&
		p.memory >= 8*uint32(p.threads) && p.memory <= 1<<18 && p.passes >= 1 && p.passes <= 64 &&
		len(salt) >= 8 && len(salt) <= 64 && len(hash) >= 16 && len(hash) <= 64
	if !sound || p.String() != text {
		return phc{}, errPHC
	}
	return p, nil
}
