package auth_test

import (
	"encoding/base64"
	"runtime"
	"strings"
	"testing"

	"github.com/google/uuid"
	"golang.org/x/crypto/argon2"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/httpapi/auth"
	"github.com/spendwise/spendwise/store/accounts"
)

// weakHash returns a hash of password with weaker parameters than any release has used.
func weakHash(password string) string {
	salt := []byte("8 bytes!")
	key := argon2.IDKey([]byte(password), salt, 1, 8, 1, 32)
	b64 := base64.RawStdEncoding
	return "$argon2id$v=19$m=8,t=1,p=1$" + b64.EncodeToString(salt) + "$" + b64.EncodeToString(key)
}

func TestPassword_Validate(t *testing.T) {
	h := newFixture(t)
	for name, test := range map[string]struct{ password, code string }{
		"a dozen characters":                    {"xkcd 936 !?&", ""},
		"one fewer":                             {"xkcd 936 !?", "too_short"},
		"a dozen emoji":                         {"🦊🐻🐼🐨🐯🦁🐮🐷🐸🐵🐔🐧", ""},
		"a dozen bytes that are six characters": {"éèêëàâ", "too_short"},
		"256 characters":                        {strings.Repeat("ab", 128), ""},
		"257 characters":                        {strings.Repeat("ab", 128) + "c", "too_long"},
		"few characters that unfold into many":  {strings.Repeat("\ufdfa\ufdfb", 10), "too_long"},
		"control characters":                    {"\x00\x01\x02\t\n and more", ""},
		"broken UTF-8":                          {"four words in a \xff", "malformed"},
		"nothing":                               {"", "required"},
		"a common one":                          {"123456789012", "too_common"},
		"a common one in capitals":              {"PASSWORD1234", "too_common"},
		"a common one in full width":            {"ｐａｓｓｗｏｒｄ１２３４", "too_common"},
		"one character over and over":           {strings.Repeat("é", 40), "too_common"},
		"the e-mail address":                    {"PERSON@example.org", "too_common"},
		"a line of the list that is no entry":   {"#! Copyright (c) 2021 @zxcvbn-ts", ""},
	} {
		t.Run(name, func(t *testing.T) {
			email := "person@example.org"
			_, err := h.users.Add(t.Context(), auth.Registration{Email: email, Password: test.password})
			var codes []string
			for _, e := range expense.InvalidErrors(err) {
				codes = append(codes, e.Field+" "+e.Code)
				if test.password != "" && strings.Contains(e.Error(), test.password) {
					t.Error("the field error repeats the password")
				}
			}
			if test.code != "" && (len(codes) != 1 || codes[0] != "password "+test.code) || test.code == "" && err != nil {
				t.Errorf("field errors %q, want %q (%v)", codes, test.code, err)
			}
			if err == nil {
				if _, err := h.Login(t.Context(), auth.Login{Email: email, Password: test.password}); err != nil {
					t.Errorf("Login: %v", err)
				}
				if err := h.users.Erase(t.Context(), email); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

func TestEmail_Validate(t *testing.T) {
	h := newFixture(t)
	for email, sound := range map[string]bool{
		"a@b":                    true,
		"first.last+tag@x.org":   true,
		"zoë@exämple.org":        true,
		"  padded@example.org\n": true,
		"o'neil@example.org":     true,
		strings.Repeat("a", 64) + "@" + strings.Repeat("b", 189): true,
		strings.Repeat("a", 64) + "@" + strings.Repeat("b", 190): false,
		"":                         false,
		"ada":                      false,
		"@example.org":             false,
		"ada@":                     false,
		"ada@@example.org":         false,
		"ada@example.org,b@c":      false,
		"Ada <ada@example.org>":    false,
		"<ada@example.org>":        false,
		"ada @example.org":         false,
		"ada\u200b@example.org":    false,
		"ada\u202e@example.org":    false,
		"ada\x00@example.org":      false,
		"ada\r\n@example.org":      false,
		"ada@exa\xffmple.org":      false,
		"ada@example.org (Ada)":    false,
		"\"ada lace\"@example.org": false,
	} {
		_, err := h.users.Add(t.Context(), auth.Registration{Email: email, Password: goodPassword})
		if sound && err != nil {
			t.Errorf("%q is refused: %v", email, err)
		}
		want := "malformed_email"
		if email == "" {
			want = "required"
		}
		if fieldErrs := expense.InvalidErrors(err); !sound &&
			(len(fieldErrs) != 1 || fieldErrs[0].Field != "email" || fieldErrs[0].Code != want) {
			t.Errorf("%q has the field errors %v", email, fieldErrs)
		}
	}
}

// A hash allocates 19 MiB, so the amount allocated shows whether a hash was computed.
func TestLogin_HashesForUnknownAccount(t *testing.T) {
	h := newCostlyFixture(t)
	h.register(t)
	for name, email := range map[string]string{"somebody": "ada@example.org", "nobody": "bob@example.org",
		"no address": "bob"} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := h.Login(t.Context(), auth.Login{Email: email, Password: "not the password"})
		runtime.ReadMemStats(&after)
		wantErr(t, "Login of "+name, err, auth.ErrInvalidCredentials)
		if took := (after.TotalAlloc - before.TotalAlloc) >> 20; took < 19 || took > 30 {
			t.Errorf("a failed sign-in of %s takes %d MiB, want about 19", name, took)
		}
	}
}

func TestLogin_DamagedHash(t *testing.T) {
	h := newFixture(t)
	account := accounts.Account{ID: uuid.New(), Email: "ada@example.org",
		PasswordHash: "$argon2id$v=19$m=999999999,t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA"}
	if err := h.accounts.CreateAccount(t.Context(), account); err != nil {
		t.Fatal(err)
	}
	_, err := h.Login(t.Context(), auth.Login{Email: account.Email, Password: goodPassword})
	if err == nil || strings.Contains(err.Error(), "aGFza") || expense.InvalidErrors(err) != nil {
		t.Errorf("Login with a damaged hash: %v", err)
	}
}

func FuzzHash(f *testing.F) {
	sound := weakHash(goodPassword)
	for _, seed := range []string{
		sound, "", "$", "$$$$$", strings.Replace(sound, "argon2id", "argon2i", 1), strings.Replace(sound, "v=19", "v=16", 1),
		strings.Replace(sound, "m=8", "m=08", 1), strings.Replace(sound, "m=8", "m=7", 1),
		strings.Replace(sound, "p=1", "p=0", 1),
		strings.Replace(sound, "p=1", "p=256", 1), strings.Replace(sound, "t=1", "t=-1", 1),
		strings.Replace(sound, "m=8", "m=4294967304", 1),
		sound + "=", sound + "$", " " + sound, sound[:len(sound)-1], strings.Replace(sound, "t=1,", "t=1 ,", 1),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if again, err := auth.ReencodeHash(text); err == nil && again != text {
			t.Errorf("%q is written back as %q", text, again)
		}
	})
}
