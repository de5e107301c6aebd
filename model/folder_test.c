/* What folders say of themselves by their files, their config.json and their tensors' names. */
#include "model/folder.h"

#include "core/file.h"
#include "core/test.h"

enum { FILES = 3 };

static void write_one(const char *dir, const char *name, const char *text)
{
    char *path = path_join(dir, name), *folder = strdup(path);
    *strrchr(folder, '/') = '\0';
    assert_ok(file_make_dirs(folder));
    assert_ok(file_write_atomic(path, text, strlen(text)));
    free(folder);
    free(path);
}

static void files_tell_what_a_folder_is(void **state)
{
    (void)state;
    static const struct {
        folder_kind wanted;
        const char *files[FILES], *part;
    } cases[] = {
        { FOLDER_MODEL,
          { "adapter_config.json", "adapter_model.safetensors" },
          "is an adapter, not a model: give it as" },
        { FOLDER_MODEL, { "config.json", "pytorch_model.bin" }, "PyTorch's .bin (pytorch_model.bin)" },
        { FOLDER_MODEL, { "config.json", "pytorch_model-00001-of-00002.bin" }, "save_pretrained(" },
        { FOLDER_MODEL, { "model-Q4_K_M.gguf" }, "gguf_file='model-Q4_K_M.gguf'" },
        { FOLDER_MODEL, { "config.json", "weights.00.safetensors" }, "MLX's weights" },
        { FOLDER_MODEL, { "weights.npz" }, "MLX's weights" },
        { FOLDER_MODEL, { "adapters.safetensors" }, "an MLX adapter, not a model" },
        { FOLDER_MODEL, { "params.json", "consolidated.00.pth" }, "its maker's own layout" },
        { FOLDER_MODEL, { "config.json", "tf_model.h5" }, "TensorFlow" },
        { FOLDER_MODEL, { "config.json", "flax_model.msgpack" }, "Flax" },
        { FOLDER_MODEL, { "config.json", "model.onnx" }, "ONNX" },
        { FOLDER_MODEL, { "zero_to_fp32.py" }, "DeepSpeed" },
        { FOLDER_MODEL, { "model_0/__0_0.distcp" }, "FSDP" },
        { FOLDER_MODEL, { "snapshots/0123/config.json" }, "with snapshots/0123/config.json" },
        { FOLDER_MODEL, { "checkpoint-50/config.json" }, "with checkpoint-50/config.json" },
        { FOLDER_MODEL, { "inside/config.json" }, "with inside/config.json" },
        { FOLDER_MODEL, { "notes.txt" }, "otherwise" },
        { FOLDER_ADAPTER, { "adapter_config.json", "adapter_model.bin" }, "torch.load('" },
        { FOLDER_ADAPTER, { "adapter_config.json", "adapters.safetensors" }, "an MLX adapter" },
        { FOLDER_ADAPTER, { "adapter_config.json", "adapters.npz" }, "an MLX adapter" },
        { FOLDER_ADAPTER, { "lora-f16.gguf" }, "in GGUF" },
        { FOLDER_ADAPTER, { "config.json", "model.safetensors" }, "is a model, not an adapter" },
        { FOLDER_ADAPTER, { "config.json", "pytorch_model.bin" }, "is a model, not an adapter" },
        { FOLDER_ADAPTER, { "config.json" }, "is a model, not an adapter" },
        { FOLDER_ADAPTER, { "pytorch_lora_weights.safetensors" }, "diffusers" },
        { FOLDER_ADAPTER, { "pytorch_adapter.bin", "adapter_config.json" }, "not of PEFT" },
        { FOLDER_ADAPTER, { "checkpoint-8/adapter_config.json" }, "with checkpoint-8/adapter_config.json" },
        { FOLDER_ADAPTER, { "final/adapter_config.json" }, "with final/adapter_config.json" },
        { FOLDER_ADAPTER, { "adapter_config.json" }, "otherwise" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        /* a folder's name is no pattern */
        char *dir = test_tmpdir(), *odd = path_join(dir, "a[b]*");
        for (int k = 0; k < FILES && cases[i].files[k]; k++) write_one(odd, cases[i].files[k], "");
        assert_input_error(folder_explain(odd, cases[i].wanted, "otherwise"), cases[i].part);
        assert_int_equal(strncmp(error_text(), odd, strlen(odd)), 0);
        free(odd);
        test_rmdir(dir);
    }
}

static void files_are_no_folders(void **state)
{
    (void)state;
    char *dir = test_tmpdir(), *gguf = path_join(dir, "m.gguf"), *file = path_join(dir, "model.safetensors");
    write_one(dir, "m.gguf", "GGUF");
    write_one(dir, "model.safetensors", "");
    assert_input_error(folder_explain(gguf, FOLDER_MODEL, "otherwise"), "is a GGUF file");
    assert_input_error(folder_explain(file, FOLDER_MODEL, "otherwise"),
                       "a model is a folder: name the one that holds it");
    assert_input_error(folder_explain(file, FOLDER_ADAPTER, "otherwise"), "an adapter is a folder");
    assert_input_error(folder_explain("/nowhere/at/all", FOLDER_MODEL, "otherwise"), "/nowhere/at/all: otherwise");
    free(gguf);
    free(file);
    test_rmdir(dir);
}

static void configs_tell_how_weights_are_quantised(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        { "{\"quantization_config\":{\"quant_method\":\"fp8\"}}", "quantised weights (fp8)" },
        { "{\"quantization_config\":{\"quant_method\":\"gptq\",\"bits\":4}}", "quantised weights (gptq)" },
        { "{\"quantization_config\":{\"load_in_4bit\":true}}", "bitsandbytes, 4 bits" },
        { "{\"quantization_config\":{}}", "quantised weights" },
        { "{\"quantization\":{\"group_size\":64,\"bits\":4}}", "MLX's quantised weights (4 bits)" },
    };
    char *dir = test_tmpdir();
    assert_input_error(folder_check_model(dir, true), "holds no config.json");
    assert_input_error(folder_check_model(dir, false), "holds no config.json");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        write_one(dir, "config.json", cases[i][0]);
        assert_input_error(folder_check_model(dir, true), cases[i][1]);
        assert_ok(folder_check_model(dir, false));
    }
    write_one(dir, "config.json", "{\"quantization_config\":null}");
    assert_ok(folder_check_model(dir, true));
    write_one(dir, "config.json", "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 700\n");
    assert_input_error(folder_check_model(dir, true), "is a Git LFS pointer");
    test_rmdir(dir);
}

static void tensors_tell_what_they_are(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        { "model.layers.0.mlp.up_proj.weight_scale_inv", "FP8" },
        { "model.layers.0.mlp.up_proj.weight_scale", "FP8" },
        { "model.layers.0.mlp.up_proj.scales", "MLX" },
        { "model.layers.0.mlp.up_proj.biases", "MLX" },
        { "model.layers.0.mlp.up_proj.qweight", "GPTQ" },
        { "model.layers.0.mlp.up_proj.weight.absmax", "bitsandbytes" },
        { "model.layers.0.mlp.up_proj.lora_A.default.weight", "an adapter lies among the weights" },
        { "model.layers.0.mlp.up_proj.base_layer.weight", "merge_and_unload" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *what = folder_tensor_kind(cases[i][0]);
        if (!what || !strstr(what, cases[i][1])) fail_msg("%s: %s", cases[i][0], what ? what : "nothing");
    }
    assert_null(folder_tensor_kind("model.layers.0.mlp.up_proj.weight"));
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(files_tell_what_a_folder_is),
                                        cmocka_unit_test(files_are_no_folders),
                                        cmocka_unit_test(configs_tell_how_weights_are_quantised),
                                        cmocka_unit_test(tensors_tell_what_they_are) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
