package statement_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/export"
	"github.com/spendwise/spendwise/export/statement"
	"github.com/spendwise/spendwise/store"
)

// preset returns the mapping of a preset with additional JSON members.
func preset(t testing.TB, members string) statement.Mapping {
	t.Helper()
	m, err := statement.ParseMapping([]byte("{" + members + "}"))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// formatRows reads a file and formats each row as one line.
func formatRows(t testing.TB, text string, m statement.Mapping) string {
	t.Helper()
	var lines []string
	for _, row := range readAll(t, text, m) {
		switch {
		case row.Ignored:
			lines = append(lines, "ignored")
		case row.Failures != nil:
			lines = append(lines, fmt.Sprintf("line %d: %s %s", row.Line, row.Failures[0].Column, row.Failures[0].Code))
		default:
			d := row.Draft
			lines = append(lines, strings.Join([]string{d.Date, d.Amount, d.Currency, d.Category, *d.Notes}, "|"))
		}
	}
	return strings.Join(lines, "\n")
}

func TestPresetsReadTheFilesPeopleHave(t *testing.T) {
	for _, test := range []struct{ name, mapping, file, want string }{
		{
			"a German bank", `"preset": "bank-dmy-comma", "currency": {"value": "EUR"}`,
			"Buchungstag;Verwendungszweck;Betrag\r\n31.12.2024;Miete;-1.250,00 €\r\n1.2.2025;Kiosk;-3,5\r\n03.02.25;Lohn;" +
				"2.000,00\r\n",
			"2024-12-31|1250.00|EUR||Miete\n2025-02-01|3.5|EUR||Kiosk\n2025-02-03|-2000.00|EUR||Lohn",
		},
		{
			"a British bank", `"preset": "bank-dmy-point", "currency": {"value": "GBP"}`,
			"Date,Description,Amount\n25/12/2024,Pub,-£12.00\n26/12/2024,Shop,\"-1,234.56\"\n",
			"2024-12-25|12.00|GBP||Pub\n2024-12-26|1234.56|GBP||Shop",
		},
		{"an American bank", `"preset": "bank-mdy-point"`,
			"Date,Description,Amount\n12/25/2024,Pub,-12.00\n1/5/2025,Shop,($7.10)\n",
			"2024-12-25|12.00|||Pub\n2025-01-05|7.10|||Shop"},
		{"a bank whose dates begin with the year", `"preset": "bank-ymd-point"`,
			"Value date,Payee,Value\n2024-12-25,Pub,-12.00\n2024/12/26,Shop,-1\n",
			"2024-12-25|12.00|||Pub\n2024-12-26|1|||Shop"},
		{"a Swedish bank", `"preset": "bank-ymd-comma"`, "Bokföringsdag;Beskrivning;Belopp\n2024-12-25;Kiosk;-12,00\n",
			"2024-12-25|12.00|||Kiosk"},
		{
			"a bank's own column names", `"preset": "bank-dmy-comma", "amount": {"column": "Soll"}, "delimiter": ",", ` +
				`"negate": false`,
			"Datum,Text,Soll,Betrag\n31.12.2024,Miete,\"1.250,00\",x\n", "2024-12-31|1250.00|||Miete",
		},
		{
			"Mint", `"preset": "mint"`,
			"\"Date\",\"Description\",\"Original Description\",\"Amount\",\"Transaction Type\",\"Category\",\"Account Name\"," +
				"\"Labels\",\"Notes\"\n" +
				"\"9/20/2017\",\"Toy shop\",\"DEBIT\",\"5.02\",\"debit\",\"Toys\",\"Cash\",\"\",\"\"\n\"9/21/2017\",\"Pay\"," +
				"\"ACH\",\"1000.00\",\"credit\",\"Paycheck\",\"Cash\",\"\",\"\"\n",
			"2017-09-20|5.02|USD|Toys|Toy shop\nignored",
		},
		{
			"YNAB", `"preset": "ynab", "currency": {"value": "USD"}`,
			"\ufeff\"Account\",\"Flag\",\"Date\",\"Payee\",\"Category Group/Category\",\"Category Group\",\"Category\"," +
				"\"Memo\",\"Outflow\",\"Inflow\",\"Cleared\"\n" +
				"\"Checking\",\"\",\"01/15/2026\",\"Grocer\",\"Food: Groceries\",\"Food\",\"Groceries\",\"Weekly\",$1,085.42," +
				"$0.00,\"Cleared\"\n" +
				"\"Checking\",\"\",\"01/15/2026\",\"Grocer\",\"Food: Groceries\",\"Food\",\"Groceries\",\"Weekly\",\"$1," +
				"085.42\",$0.00,\"Cleared\"\n" +
				"\"Checking\",\"\",\"01/16/2026\",\"Grocer\",\"Food: Groceries\",\"Food\",\"Groceries\",\"Back\",$0.00,$5.42," +
				"\"Cleared\"\n" +
				"\"Checking\",\"\",\"01/17/2026\",\"Employer\",\"Inflow: Ready to Assign\",\"Inflow\",\"Ready to Assign\",\"\"," +
				"$0.00,$3000.00,\"Cleared\"\n" +
				"\"Checking\",\"\",\"01/18/2026\",\"Transfer : Savings\",\"\",\"\",\"\",\"\",$10.00,$0.00,\"Cleared\"\n",
			"line 2:  wrong_field_count\n2026-01-15|1085.42|USD|Groceries|Grocer\n2026-01-16|-5.42|USD|Groceries|Grocer\n" +
				"ignored\nignored",
		},
		{
			"YNAB of a European", `"preset": "ynab-dmy", "amount": {"decimal": ","}`,
			"\"Account\",\"Flag\",\"Date\",\"Payee\",\"Category Group/Category\",\"Category Group\",\"Category\",\"Memo\"," +
				"\"Outflow\",\"Inflow\",\"Cleared\"\n" +
				"\"Giro\",\"\",\"05.01.2026\",\"Bäcker\",\"Essen: Brot\",\"Essen\",\"Brot\",\"\",\"4,20€\",\"0,00€\",\"Cleared\"\n",
			"2026-01-05|4.2||Brot|Bäcker",
		},
		{
			"Firefly III", `"preset": "firefly-iii"`,
			"user_id,group_id,journal_id,created_at,updated_at,group_title,type,amount,foreign_amount,currency_code," +
				"foreign_currency_code,description,date," +
				"source_name,source_iban,source_type,destination_name,destination_iban,destination_type,reconciled,category," +
				"budget,bill,tags,notes\n" +
				"1,2,3,2024-01-05T10:00:00+01:00,2024-01-05T10:00:00+01:00,,Withdrawal,-12.500000000000,,EUR,,\"Lunch, late\"," +
				"2024-01-05T00:00:00+01:00,Bank,,Asset,Cafe,,Expense,,Food,,,,\n" +
				"1,3,4,2024-01-05T10:00:00+01:00,2024-01-05T10:00:00+01:00,,Deposit,1000,,EUR,,Pay,2024-01-05T00:00:00+01:00," +
				"Boss,,Revenue,Bank,,Asset,,,,,,\n",
			"2024-01-05|12.5|EUR|Food|Lunch, late\nignored",
		},
		{
			"ezBookkeeping", `"preset": "ezbookkeeping"`,
			"Time,Timezone,Type,Category,Sub Category,Account,Account Currency,Amount,Account2,Account2 Currency,Account2 " +
				"Amount,Geographic Location,Tags,Description\n" +
				"2024-09-01 12:34:56,+08:00,Expense,Food & Drink,Food,Cash,CNY,0.10,,,,,,Noodles\n2024-09-01 12:34:56,+08:00," +
				"Income,Pay,Salary,Cash,CNY,123.45,,,,,,x\n",
			"2024-09-01|0.10|CNY|Food|Noodles\nignored",
		},
		{
			"ezBookkeeping of a year before", `"preset": "ezbookkeeping"`,
			"Time,Timezone,Type,Category,Sub Category,Account,Account Currency,Amount,Account2,Account2 Currency,Account2 " +
				"Amount,Tags,Comment\n" +
				"2024-09-01 12:34:56,+08:00,Expense,Food & Drink,Food,Cash,CNY,0.10,,,,,Noodles\n",
			"2024-09-01|0.10|CNY|Food|Noodles",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := formatRows(t, test.file, preset(t, test.mapping)); got != test.want {
				t.Errorf("got\n%s\nwant\n%s", got, test.want)
			}
		})
	}
}

// TestSampleFilesComeInOnce imports sample files of banks and programs three times: once, once more, and as a longer
// export of the same account.
func TestSampleFilesComeInOnce(t *testing.T) {
	for _, test := range []struct {
		file, mapping, longer, want string
		ignored                     int
	}{
		{
			"sparkasse.csv", `"preset": "bank-dmy-comma", "encoding": "windows-1252"`,
			"\"DE02120300000000202051\";\"02.01.26\";\"02.01.26\";\"LASTSCHRIFT\";\"Strom\";\"\";\"\";\"\";\"\";\"\";\"\";" +
				"\"Stadtwerke\";\"\";\"\";\"-45,00\";\"EUR\";\"\"\r\n",
			"2025-12-30 3.60 EUR Other Bäckerei “Süß” 2025-12-30T08:12\n2025-12-30 3.60 EUR Other Bäckerei “Süß” " +
				"2025-12-30T08:12\n" +
				"2025-12-31 1250.00 EUR Other Miete Januar, Müllerstraße 5", 0,
		},
		{
			"n26.csv", `"preset": "bank-ymd-point", "currency": {"value": "EUR"}`,
			"2026-01-04,2026-01-04,X,,Presentment,,Main,-1,-1,EUR,1\n",
			"2026-01-02 7.50 EUR Other Café de l'Été\n2026-01-03 23.12 EUR Other Store, London", 0,
		},
		{
			"revolut.csv", `"preset": "bank-ymd-point"`, "CARD_PAYMENT,Current,2026-01-06,2026-01-06,X,-1,0,GBP,COMPLETED,1\n",
			"2026-01-03 1200 JPY Other Ramen 東京\n2026-01-05 4.20 GBP Other Tea, \"Earl Grey\"", 0,
		},
		{
			"chase.csv", `"preset": "bank-mdy-point", "currency": {"value": "USD"}, "category": {"column": "Category"}`,
			"02/03/2026,02/04/2026,X,Shopping,Sale,-1.00,\n",
			"2026-01-31 45.67 USD Groceries GROCERY OUTLET\n2026-02-01 1045.00 USD Shopping AMZN Mktp US*2X4", 0,
		},
		{"mint.csv", `"preset": "mint"`, `"3/03/2026","X","X","1.00","debit","Groceries","Checking","",""` + "\n",
			"2026-03-01 82.15 USD Groceries Whole Foods", 1},
		{
			"ynab.csv", `"preset": "ynab", "currency": {"value": "USD"}`,
			`"Checking","","01/18/2026","X","A: B","A","B","",$1.00,$0.00,"Cleared"` + "\n",
			"2026-01-15 85.42 USD Groceries Grocer", 2,
		},
		{
			"firefly-iii.csv", `"preset": "firefly-iii"`,
			"1,19,25,,,,Withdrawal,-1.000000000000,,EUR,,X,2026-01-07T00:00:00+01:00,Bank,,,Cafe,,,,Food,,,,\n",
			"2026-01-05 12.50 EUR Food Lunch, late", 1,
		},
		{"ezbookkeeping.csv", `"preset": "ezbookkeeping"`,
			"2026-01-02 12:00:00,+08:00,Expense,Food & Drink,Food,Wallet,CNY,1.00,,,,,,X\n",
			"2026-01-01 36.50 CNY Food 牛肉面",
			1},
	} {
		t.Run(test.file, func(t *testing.T) {
			text, err := os.ReadFile(filepath.Join("testdata", "presets", test.file))
			if err != nil {
				t.Fatal(err)
			}
			st := open(t, "EUR")
			run := func(text string) statement.Result {
				t.Helper()
				rows := statement.Rows(strings.NewReader(text), preset(t, test.mapping))
				result, err := statement.Import(t.Context(), st, "ada", expense.Env{Now: now.AddDate(1, 0, 0), Rates: yenRates{}},
					rows, statement.Options{})
				if err != nil || len(result.Failed) > 0 {
					t.Fatalf("Import = %+v, %v", result, err)
				}
				return result
			}
			lines := strings.Count(test.want, "\n") + 1
			want := statement.Result{Added: lines, Ignored: test.ignored}
			if got := run(string(text)); !reflect.DeepEqual(got, want) {
				t.Errorf("first import = %+v, want %+v", got, want)
			}
			if got := formatExpenses(t, st); got != test.want {
				t.Errorf("expenses =\n%s\nwant\n%s", got, test.want)
			}
			want = statement.Result{Known: lines, Ignored: test.ignored}
			if got := run(string(text)); !reflect.DeepEqual(got, want) {
				t.Errorf("second import: %+v, want %+v", got, want)
			}
			want = statement.Result{Added: 1, Known: lines, Ignored: test.ignored}
			if got := run(string(text) + test.longer); !reflect.DeepEqual(got, want) {
				t.Errorf("import of the longer file: %+v, want %+v", got, want)
			}
		})
	}
}

// formatExpenses formats the expenses of ada, oldest first.
func formatExpenses(t *testing.T, st store.Store) string {
	t.Helper()
	categories, err := st.Reader("ada").Categories(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	name := export.CategoryNames(categories)
	var lines []string
	for e, err := range st.Reader("ada").Expenses(t.Context(), expense.Query{Sort: expense.OldestFirst}) {
		if err != nil {
			t.Fatal(err)
		}
		category, err := name(e.CategoryID)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, fmt.Sprintf("%s %s %s %s", e.Date, e.Amount, category, e.Notes))
	}
	return strings.Join(lines, "\n")
}

func TestAPresetsFormIsReadBack(t *testing.T) {
	for _, p := range statement.Presets() {
		text, err := json.Marshal(p.Mapping)
		if err != nil {
			t.Fatal(err)
		}
		m, err := statement.ParseMapping(text)
		if err != nil {
			t.Errorf("%s: %s: %v", p.Name, text, err)
			continue
		}
		if again, err := json.Marshal(m); err != nil || string(again) != string(text) {
			t.Errorf("%s: %s %v, want %s", p.Name, again, err, text)
		}
		if _, err := statement.ParseMapping([]byte(`{"preset": "` + p.Name + `"}`)); err != nil {
			t.Errorf("%s: %v", p.Name, err)
		}
	}
}

func TestWhatIsWrongWithAPresetIsTold(t *testing.T) {
	for text, want := range map[string]string{
		`{"preset": "minty"}`:                                             "preset unknown_preset",
		`{"preset": "spendwise", "negate": true}`:                         "negate unknown_member",
		`{"preset": "mint", "date": {"format": "D"}}`:                     "date/format unknown_member",
		`{"preset": "mint", "amount": {"symbols": "yes"}}`:                "amount/symbols wrong_type",
		`{"preset": "mint", "except": {"column": "Labels"}}`:              "except incomplete",
		`{"preset": "mint", "date": {"layout": "DD/MM/YYYY|MM/DD/YYYY"}}`: "date/layout malformed_layout",
	} {
		_, err := statement.ParseMapping([]byte(text))
		fieldErrs := expense.InvalidErrors(err)
		if len(fieldErrs) != 1 || fieldErrs[0].Field+" "+fieldErrs[0].Code != want {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}

func TestTwoColumnsOfAmountsMakeOne(t *testing.T) {
	m := testMapping()
	m.Amount.Credit = "N"
	m.Notes = ""
	for cells, want := range map[string]string{"7,": "7", ",3": "-3", "7.50,7.25": "0.25", "0,0.00": "0", "-7,": "-7"} {
		row := readAll(t, "D,A,N,C,K\n2024-01-02,"+cells+",EUR,\n", m)[0]
		if row.Draft.Amount != want || row.Failures != nil {
			t.Errorf("%s: got %q %+v, want %q", cells, row.Draft.Amount, row.Failures, want)
		}
	}
	if row := readAll(t, "D,A,N,C,K\n2024-01-02,x,1,EUR,\n", m)[0]; row.Failures == nil {
		t.Errorf("row = %+v", row)
	}
}

func TestAFileSaysByItsMarkThatItIsUTF16(t *testing.T) {
	const text = "D,A,C,K,N\n2024-01-02,7,EUR,Café,5 €\n"
	for _, order := range []unicode.Endianness{unicode.LittleEndian, unicode.BigEndian} {
		encoded, err := unicode.UTF16(order, unicode.UseBOM).NewEncoder().String(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := formatRows(t, encoded, testMapping()); got != "2024-01-02|7|EUR|Café|5 €" {
			t.Errorf("%v: %s", order, got)
		}
	}
	western, err := charmap.Windows1252.NewEncoder().String(text)
	if err != nil {
		t.Fatal(err)
	}
	if got := formatRows(t, western, testMapping()); got != "line 2:  malformed_text" {
		t.Errorf("file in an encoding other than that of the mapping: %s", got)
	}
}
