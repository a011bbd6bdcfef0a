package policy

import (
	"testing"
	"time"
)

// noon is when the tests' responses arrive, half a second after a full one.
var noon = time.Date(2026, time.January, 5, 12, 0, 0, 500e6, time.UTC)

// at returns the HTTP-date that is offset away from noon.
func at(offset time.Duration) string {
	return string(AppendDate(nil, noon.Add(offset).Unix()))
}

func TestAgeField(t *testing.T) {
	tests := map[string]struct {
		lines []string
		want  time.Duration
		ok    bool
	}{
		"absent":                      {nil, 0, false},
		"plain":                       {[]string{"7200"}, 2 * time.Hour, true},
		"leading zeros":               {[]string{"007200"}, 2 * time.Hour, true},
		"white space":                 {[]string{" 7200\t"}, 2 * time.Hour, true},
		"a list, the first":           {[]string{"7200, 0"}, 2 * time.Hour, true},
		"a list, the first of zero":   {[]string{"0, 7200"}, 0, true},
		"two lines, the first":        {[]string{"7200", "0"}, 2 * time.Hour, true},
		"two lines, the first junk":   {[]string{"x", "7200"}, 0, false},
		"an empty member first":       {[]string{"", ", 7200"}, 2 * time.Hour, true},
		"empty":                       {[]string{""}, 0, false},
		"negative":                    {[]string{"-7200"}, 0, false},
		"signed":                      {[]string{"+7200"}, 0, false},
		"fraction":                    {[]string{"7200.0"}, 0, false},
		"letters before":              {[]string{"a7200"}, 0, false},
		"letters behind":              {[]string{"7200a"}, 0, false},
		"letters behind, then a line": {[]string{"7200a", "7200"}, 0, false},
		"a parameter":                 {[]string{"7200;foo=bar"}, 0, false},
		"a parameter with a number":   {[]string{"7200;foo=111"}, 0, false},
		"quoted":                      {[]string{`"7200"`}, 0, false},
		"two numbers":                 {[]string{"7200 0"}, 0, false},
		"2^31":                        {[]string{"2147483648"}, maxDuration, true},
		"2^31 + 1":                    {[]string{"2147483649"}, maxDuration, true},
		"more than 64 bits":           {[]string{"99999999999999999999"}, maxDuration, true},
	}
	for name, test := range tests {
		t.Run("§5.1 "+name, func(t *testing.T) {
			if got, ok := AgeField(test.lines); got != test.want || ok != test.ok {
				t.Errorf("got %v, %v; want %v, %v", got, ok, test.want, test.ok)
			}
		})
	}
}

func TestInitialAge(t *testing.T) {
	const delay = 1500 * time.Millisecond
	tests := map[string]struct {
		fields []string
		delay  time.Duration
		want   time.Duration
	}{
		"nothing":                             {nil, 0, 0},
		"response delay":                      {nil, delay, delay},
		"a request after its response":        {nil, -time.Minute, 0},
		"received age":                        {[]string{"Age: 10"}, 0, 10 * time.Second},
		"received age and delay":              {[]string{"Age: 10"}, delay, 11500 * time.Millisecond},
		"received age, invalid":               {[]string{"Age: 10s"}, delay, delay},
		"received age saturates":              {[]string{"Age: 99999999999"}, delay, maxDuration},
		"date of now":                         {[]string{"Date: " + at(0)}, 0, 0},
		"date behind":                         {[]string{"Date: " + at(-time.Hour)}, 0, 0},
		"date a little behind":                {[]string{"Date: " + at(-3*time.Second)}, 0, 0},
		"date ahead":                          {[]string{"Date: " + at(time.Hour)}, delay, delay},
		"date far behind the age":             {[]string{"Date: " + at(-time.Hour), "Age: 10"}, 0, 10 * time.Second},
		"date agrees with the age":            {[]string{"Date: " + at(-10*time.Second), "Age: 10"}, 0, 10 * time.Second},
		"date shows what the age lost":        {[]string{"Date: " + at(-12*time.Second), "Age: 10"}, 0, 11500 * time.Millisecond},
		"date shows what the age lost, limit": {[]string{"Date: " + at(-13*time.Second), "Age: 10"}, 500 * time.Millisecond, 12500 * time.Millisecond},
		"date shows more than that":           {[]string{"Date: " + at(-13*time.Second), "Age: 10"}, 0, 10 * time.Second},
		"date ahead of the age":               {[]string{"Date: " + at(time.Minute), "Age: 10"}, 0, 10 * time.Second},
		"date invalid":                        {[]string{"Date: soon", "Age: 10"}, 0, 10 * time.Second},
		"date twice":                          {[]string{"Date: " + at(-12*time.Second), "Date: " + at(0), "Age: 10"}, 0, 10 * time.Second},
	}
	for name, test := range tests {
		t.Run("§4.2.3 "+name, func(t *testing.T) {
			res := Response{Header: header(test.fields...), RequestTime: noon.Add(-test.delay), ResponseTime: noon}
			if got := initialAge(&res); got != test.want {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}
