package model

import (
	"strings"
	"testing"
)

func TestPythonsLiterals(t *testing.T) {
	for _, extra := range []string{`"loss": NaN`, `"hi": Infinity, "lo": [-Infinity]`, `"say \"NaN": "a \\", "x": {"y": NaN}`, `"act_fn": "silu", "_name_or_path": "Infinity"`} {
		if _, err := ParseUNet([]byte("{" + extra + "}")); err != nil {
			t.Errorf("%s: %v", extra, err)
		}
	}
	for extra, want := range map[string]string{
		`"norm_eps": NaN`:                      "norm_eps is NaN, expected a number",
		`"norm_eps": -Infinity`:                "norm_eps is -Infinity, expected a number",
		`"resnet_out_scale_factor": Infinity`:  "resnet_out_scale_factor is Infinity, expected a JSON value",
		`"block_out_channels": [NaN, 1, 2, 3]`: "block_out_channels is [NaN, 1, 2, 3], expected",
		`"loss": NaNo`:                         "not JSON",
		`"loss": nan`:                          "not JSON",
	} {
		_, err := ParseUNet([]byte("{" + extra + "}"))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, expected %q", extra, err, want)
		}
	}
}
