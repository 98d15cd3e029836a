package statement

import (
	"encoding/json"
	"maps"
	"slices"
)

// A Preset is a mapping for the files that people have.
type Preset struct {
	Name    string // what {"preset": …} takes
	Title   string
	Help    string // what it takes for granted, and what can be given with it
	Mapping Mapping
}

// ownPreset is the name of OwnMapping.
const ownPreset = "spendwise"

// bankColumns are the names that banks give their columns, by the mapping's field. Not each bank has a column for the
// currency.
var bankColumns = map[string][]string{
	"currency/column": {"Currency", "Währung", "Waehrung", "Devise", "Divisa", "Moneda"},
	"date/column": {
		"Booking date", "Transaction date", "Posting date", "Post date", "Completed date", "Value date", "Buchungstag",
		"Buchungsdatum", "Datum", "Valuta", "Date opération",
		"Date de l'opération", "Fecha", "Fecha operación", "Data", "Data operazione", "Data movimento", "Boekdatum",
		"Bokföringsdag", "Dato",
	},
	"amount/column": {
		"Transaction amount", "Amount (EUR)", "Value", "Betrag", "Umsatz", "Betrag (EUR)", "Betrag (€)", "Betrag in EUR",
		"Montant", "Importe", "Importo", "Bedrag", "Belopp",
		"Beløb", "Valor", "Kwota",
	},
	"notes/column": {
		"Details", "Narrative", "Reference", "Payee", "Partner name", "Memo", "Name", "Text", "Verwendungszweck",
		"Buchungstext", "Libellé", "Concepto",
		"Descripción", "Descrizione", "Causale", "Omschrijving", "Descrição", "Beskrivning",
	},
}

func bankPreset(name, title, order, layout, decimal, delimiter string) Preset {
	sign := map[string]string{".": "a point", ",": "a comma"}[decimal]
	return Preset{
		Name: name, Title: title,
		Help: "One line for each booking, with the usual names of the columns in English and some other languages; " +
			"dates go " + order + ", the decimal sign is " + sign + ". An expense is negative, and so what came in " +
			"becomes negative: leave it out with \"only\", or give the columns, \"delimiter\" and \"encoding\" that " +
			"differ. Without a column for it, the currency is the home currency; give {\"currency\": {\"value\": …}} " +
			"where it is another.",
		Mapping: Mapping{
			Date:   DateColumn{Column: "Date", Layout: layout},
			Amount: AmountColumn{Column: "Amount", Decimal: decimal, Symbols: true},
			Notes:  "Description", Negate: true, Delimiter: delimiter, others: bankColumns,
		},
	}
}

// Presets returns the mappings for the files of this and other programs, by the header lines that those write.
func Presets() []Preset {
	const (
		dayFirst   = "DD.MM.YYYY|D.M.YYYY|DD/MM/YYYY|D/M/YYYY|DD-MM-YYYY|DD.MM.YY|DD/MM/YY"
		monthFirst = "MM/DD/YYYY|M/D/YYYY|MM-DD-YYYY|MM/DD/YY"
		yearFirst  = "YYYY-MM-DD|YYYY/MM/DD|YYYY.MM.DD|YYYYMMDD"
	)
	ynab := func(name, title, layout string) Preset {
		return Preset{
			Name: name, Title: title,
			Help: "The register of YNAB's export. Income and transfers without a category are left out; an inflow in any " +
				"other category is a refund. The " +
				"file names no currency: give {\"currency\": {\"value\": …}} where it is not the home currency.",
			Mapping: Mapping{
				Date:     DateColumn{Column: "Date", Layout: layout},
				Amount:   AmountColumn{Column: "Outflow", Credit: "Inflow", Symbols: true},
				Category: Source{Column: "Category"}, Notes: "Payee",
				Except: Choice{Column: "Category Group",
					Equals: []string{"", "Inflow", "Income", "Credit Card Payments", "Internal Master Category"}},
			},
		}
	}
	presets := []Preset{
		{Name: ownPreset, Title: "SpendWise", Help: "What this program exports as CSV. It takes no other member.",
			Mapping: OwnMapping()},
		bankPreset("bank-dmy-comma", "Bank, day first, decimal comma, semicolons", "day, month, year", dayFirst, ",", ";"),
		bankPreset("bank-dmy-point", "Bank, day first, decimal point, commas", "day, month, year", dayFirst, ".", ","),
		bankPreset("bank-mdy-point", "Bank, month first, decimal point, commas", "month, day, year", monthFirst, ".", ","),
		bankPreset("bank-ymd-comma", "Bank, year first, decimal comma, semicolons", "year, month, day", yearFirst, ",", ";"),
		bankPreset("bank-ymd-point", "Bank, year first, decimal point, commas", "year, month, day", yearFirst, ".", ","),
		{
			Name: "ezbookkeeping", Title: "ezBookkeeping",
			Help: "Its CSV export. Expenses are taken, the category is the finer one; incomes and transfers are left out.",
			Mapping: Mapping{
				Date: DateColumn{Column: "Time"}, Amount: AmountColumn{Column: "Amount"},
				Currency: Source{Column: "Account Currency"},
				Category: Source{Column: "Sub Category"}, Notes: "Description",
				Only:   Choice{Column: "Type", Equals: []string{"Expense"}},
				others: map[string][]string{"notes/column": {"Comment"}},
			},
		},
		{
			Name: "firefly-iii", Title: "Firefly III",
			Help: "The transactions of its export. Withdrawals are taken; deposits and transfers are left out.",
			Mapping: Mapping{
				Date: DateColumn{Column: "date"}, Amount: AmountColumn{Column: "amount"}, Currency: Source{Column: "currency_code"},
				Category: Source{Column: "category"}, Notes: "description",
				Only: Choice{Column: "type", Equals: []string{"Withdrawal"}}, Negate: true,
			},
		},
		{
			Name: "mint", Title: "Mint",
			Help: "Its transactions as CSV. Debits are taken, credits are left out. The file names no currency, which was " +
				"the US dollar.",
			Mapping: Mapping{
				Date: DateColumn{Column: "Date", Layout: "M/D/YYYY"}, Amount: AmountColumn{Column: "Amount"},
				Currency: Source{Value: "USD"},
				Category: Source{Column: "Category"}, Notes: "Description",
				Only: Choice{Column: "Transaction Type", Equals: []string{"debit"}},
			},
		},
		ynab("ynab", "YNAB, month first", monthFirst),
		ynab("ynab-dmy", "YNAB, day first", dayFirst),
		ynab("ynab-ymd", "YNAB, year first", yearFirst),
	}
	// Each caller's own: what ParseMapping replaces is taken out of it.
	for i := range presets {
		presets[i].Mapping.others = maps.Clone(presets[i].Mapping.others)
	}
	return presets
}

func presetNames() []string {
	var names []string
	for _, preset := range Presets() {
		names = append(names, preset.Name)
	}
	return names
}

func presetOf(name string) (Preset, bool) {
	presets := Presets()
	i := slices.IndexFunc(presets, func(p Preset) bool { return p.Name == name })
	if i < 0 {
		return Preset{}, false
	}
	return presets[i], true
}

// MarshalJSON writes the form that [ParseMapping] reads, but for the further names that a preset's columns may have.
func (m Mapping) MarshalJSON() ([]byte, error) {
	if m.own {
		return json.Marshal(map[string]string{"preset": ownPreset})
	}
	type column struct {
		Column string `json:"column"`
	}
	type source struct {
		Column string `json:"column,omitempty"`
		Value  string `json:"value,omitempty"`
	}
	type choice struct {
		Column string   `json:"column"`
		Equals []string `json:"equals"`
	}
	type date struct {
		Column string `json:"column"`
		Layout string `json:"layout,omitempty"`
	}
	type amount struct {
		Column  string `json:"column"`
		Decimal string `json:"decimal,omitempty"`
		Credit  string `json:"credit_column,omitempty"`
		Symbols bool   `json:"symbols,omitempty"`
	}
	form := struct {
		Date      date    `json:"date"`
		Amount    amount  `json:"amount"`
		Currency  *source `json:"currency,omitempty"`
		Category  *source `json:"category,omitempty"`
		Notes     *column `json:"notes,omitempty"`
		Only      *choice `json:"only,omitempty"`
		Except    *choice `json:"except,omitempty"`
		Sign      *choice `json:"sign,omitempty"`
		Negate    bool    `json:"negate,omitempty"`
		Delimiter string  `json:"delimiter,omitempty"`
		Encoding  string  `json:"encoding,omitempty"`
	}{Date: date(m.Date), Amount: amount(m.Amount), Negate: m.Negate, Delimiter: m.Delimiter, Encoding: m.Encoding}
	if m.Currency != (Source{}) {
		form.Currency = new(source(m.Currency))
	}
	if m.Category != (Source{}) {
		form.Category = new(source(m.Category))
	}
	if m.Notes != "" {
		form.Notes = &column{m.Notes}
	}
	for _, given := range []struct {
		choice Choice
		to     **choice
	}{{m.Only, &form.Only}, {m.Except, &form.Except}, {m.Sign, &form.Sign}} {
		if given.choice.Column != "" {
			*given.to = new(choice(given.choice))
		}
	}
	return json.Marshal(form)
}
