#include "adapters/peft.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "model/model_weights.h"

/* The fields that every LoRA-like config has, with PEFT's defaults. AdaLoRA adds its own. */
#define LORA_FIELDS                                                                                                    \
    "\"alora_invocation_tokens\":null,\"alpha_pattern\":{},\"arrow_config\":null,\"auto_mapping\":null,"               \
    "\"base_model_name_or_path\":null,\"bias\":\"none\",\"corda_config\":null,\"ensure_weight_tying\":false,"          \
    "\"eva_config\":null,\"exclude_modules\":null,\"fan_in_fan_out\":false,\"inference_mode\":true,"                   \
    "\"init_lora_weights\":true,\"kasa_config\":null,\"layer_replication\":null,\"layers_pattern\":null,"              \
    "\"layers_to_transform\":null,\"loftq_config\":{},\"lora_alpha\":8,\"lora_bias\":false,"                           \
    "\"lora_dropout\":0.0,\"lora_ga_config\":null,\"megatron_config\":null,"                                           \
    "\"megatron_core\":\"megatron.core\",\"modules_to_save\":null,\"monteclora_config\":null,"                         \
    "\"peft_version\":\"0.21.2\",\"qalora_group_size\":16,\"r\":8,\"rank_pattern\":{},\"revision\":null,"              \
    "\"target_modules\":[],\"target_parameters\":null,\"task_type\":\"CAUSAL_LM\","                                    \
    "\"trainable_token_indices\":null,\"use_bdlora\":null,\"use_dora\":false,\"use_qalora\":false,"                    \
    "\"use_rslora\":false,\"velora_config\":null"

static const peft_layout layouts[] = {
    { "LORA", .module_suffix = { [FACTOR_A] = ".lora_A.weight", [FACTOR_B] = ".lora_B.weight" }, .rule = SCALE_ALPHA_R,
      .method = "lora", .method_rslora = "rslora", .rank_key = "r",
      .defaults = "{\"peft_type\":\"LORA\"," LORA_FIELDS "}" },
    { "ADALORA", .module_suffix = { [FACTOR_A] = ".lora_A", [FACTOR_U] = ".lora_E", [FACTOR_B] = ".lora_B" },
      .keeps_empty = true, .rule = SCALE_ALPHA_R_EPS, .method = "adalora", .rank_key = "init_r",
      .defaults =
          "{\"peft_type\":\"ADALORA\",\"target_r\":8,\"init_r\":12,\"tinit\":0,\"tfinal\":0,\"deltaT\":1,\"beta1\":0.85,\"beta2\":0.85,"
          "\"orth_reg_weight\":0.5,\"total_step\":1," LORA_FIELDS "}" },
    { "VERA", .module_suffix = { [FACTOR_U] = ".vera_lambda_d", [FACTOR_V] = ".vera_lambda_b" },
      .model_key = { [FACTOR_A] = "base_model.vera_A", [FACTOR_B] = "base_model.vera_B" }, .vector_1d = true,
      .rule = SCALE_CONST, .method = "vera", .rank_key = "r",
      .defaults =
          "{\"auto_mapping\":null,\"base_model_name_or_path\":null,\"bias\":\"none\",\"d_initial\":0.1,\"fan_in_fan_out\":false,"
          "\"inference_mode\":true,\"init_weights\":true,\"layers_pattern\":null,\"layers_to_transform\":null,\"modules_to_save\":null,"
          "\"peft_type\":\"VERA\",\"peft_version\":\"0.21.2\",\"projection_prng_key\":0,\"r\":256,\"revision\":null,"
          "\"save_projection\":true,\"target_modules\":[],\"task_type\":\"CAUSAL_LM\",\"vera_dropout\":0.0}" },
};

const peft_layout *peft_layout_find(const char *type)
{
    for (size_t i = 0; type && i < sizeof layouts / sizeof *layouts; i++)
        if (!strcmp(layouts[i].type, type)) return &layouts[i];
    return NULL;
}

scale_rule peft_scale_rule(const peft_layout *p, bool use_rslora)
{
    return use_rslora && p->method_rslora ? SCALE_ALPHA_SQRT_R : p->rule;
}

static const char prefix[] = PEFT_PREFIX;

void peft_module_path(const model_config *c, int64_t layer, int site, char out[PEFT_KEY_MAX])
{
    const file_names *n = names_of(c);
    snprintf(out, PEFT_KEY_MAX, "%s%s%lld.%s", n->prefix[0], n->layers, (long long)layer, n->module[site]);
}

bool peft_rows_by_head(const model_config *c, const peft_layout *p, factor_id f, int site)
{
    return p && site == SITE_QKV && (f == FACTOR_B || f == FACTOR_V) && names_qkv_by_head(c);
}

void peft_tensor_key(const model_config *c, const peft_layout *p, factor_id f, int64_t layer, int site,
                     char out[PEFT_KEY_MAX])
{
    char path[PEFT_KEY_MAX];
    if (p->model_key[f]) {
        snprintf(out, PEFT_KEY_MAX, "%s", p->model_key[f]);
        return;
    }
    peft_module_path(c, layer, site, path);
    snprintf(out, PEFT_KEY_MAX, "%s%.100s%s", prefix, path, p->module_suffix[f]);
}

/* The number behind what stands before a layer's modules, and what follows it; NULL: not such a
 * name. */
static const char *behind_layer(const model_config *c, const char *name, int64_t *layer)
{
    const file_names *names = names_of(c);
    for (int i = 0; i < PREFIXES_MAX && names->prefix[i]; i++) {
        size_t n = strlen(names->prefix[i]), k = strlen(names->layers);
        if (strncmp(name, names->prefix[i], n) || strncmp(name + n, names->layers, k)) continue;
        const char *digits = name + n + k;
        char       *end;
        long long   l = *digits >= '0' && *digits <= '9' ? strtoll(digits, &end, 10) : -1;
        if (l < 0 || l > 65535 || *end != '.') continue;
        *layer = l;
        return end + 1;
    }
    return NULL;
}

/* Whether a name's end is this suffix, with or without ".default". */
static bool is_suffix(const char *end, const char *suffix)
{
    static const char own[] = ".default";
    const char       *word  = strchr(suffix + 1, '.'); /* ".weight", or none */
    size_t            n = word ? (size_t)(word - suffix) : strlen(suffix), k = sizeof own - 1;
    if (!strcmp(end, suffix)) return true;
    return !strncmp(end, suffix, n) && !strncmp(end + n, own, k) && !strcmp(end + n + k, suffix + n);
}

bool peft_parse_key(const model_config *c, const peft_layout *p, const char *name, factor_id *f, int64_t *layer,
                    int *site)
{
    for (int i = 0; i < FACTOR_COUNT; i++) {
        if (!p->model_key[i] || !is_suffix(name + strcspn(name, "."), p->model_key[i] + strcspn(p->model_key[i], ".")))
            continue;
        if (strncmp(name, p->model_key[i], strcspn(p->model_key[i], ".") + 1)) continue;
        *f     = (factor_id)i;
        *layer = *site = -1;
        return true;
    }
    const char *rest = strncmp(name, prefix, strlen(prefix)) ? NULL : behind_layer(c, name + strlen(prefix), layer);
    for (int s = 0; rest && s < SITE_COUNT; s++) {
        const char *module = site_module(c, (site_id)s);
        size_t      n      = strlen(module);
        if (!n || strncmp(rest, module, n)) continue;
        for (int i = 0; i < FACTOR_COUNT; i++) {
            if (!p->module_suffix[i] || !is_suffix(rest + n, p->module_suffix[i])) continue;
            *f    = (factor_id)i;
            *site = s;
            return true;
        }
    }
    return false;
}

bool peft_ignored_key(const char *name)
{
    return strstr(name, ".lora_velora_embed") || strstr(name, ".lora_monteclora_sampler.");
}

const char *peft_merge_hint(const char *where)
{
    static _Thread_local char hint[1024];
    const char               *slash = strrchr(where, '/');
    snprintf(hint, sizeof hint,
             "build it into the base with PEFT and give the result as --model: python3 -c \"from peft import "
             "AutoPeftModelForCausalLM as M; M.from_pretrained('%.*s').merge_and_unload().save_pretrained('merged')\", "
             "then copy the base's tokenizer.json and tokenizer_config.json to merged",
             slash ? (int)(slash - where < 400 ? slash - where : 400) : 1, slash ? where : ".");
    return hint;
}

/* What PEFT cannot merge can still be asked through PEFT. */
static const char elsewhere[] =
    "PEFT cannot build it into the base either; let PEFT answer and score its answers with `tiebreak score`";

/* Types that are no change of weights. Every other type of PEFT's can be merged. */
static const struct {
    const char *type, *what;
} not_weights[] = {
    { "PROMPT_TUNING", "learnt vectors before the text" },
    { "MULTITASK_PROMPT_TUNING", "learnt vectors before the text" },
    { "P_TUNING", "learnt vectors before the text" },
    { "PREFIX_TUNING", "learnt keys and values before the text" },
    { "CARTRIDGE", "learnt keys and values before the text" },
    { "CPT", "learnt vectors before the text" },
    { "ADAPTION_PROMPT", "learnt vectors in the attention" },
    { "LILY", "a router that averages over the whole text" },
    { "SHADOW", "a network beside the base" },
    { "XLORA", "a router between adapters" },
    { "POLY", "a router between adapters" },
};

int peft_refuse_type(const char *type, const char *where)
{
    static const char supported[] = "supported are LORA, VERA, ADALORA and this program's own";
    for (size_t i = 0; i < sizeof not_weights / sizeof *not_weights; i++)
        if (!strcmp(not_weights[i].type, type))
            return input_error("%s: \"peft_type\": \"%s\" is %s, not a change of weights; %s. %s", where, type,
                               not_weights[i].what, supported, elsewhere);
    return input_error("%s: \"peft_type\": \"%.40s\": %s; where PEFT can merge it, %s", where, type, supported,
                       peft_merge_hint(where));
}

/* Fields that change the forward when set. A field is unset when it is absent, null, false, "none",
 * or an empty list or object. */
static const struct {
    const char *field, *why;
    bool        no_merge; /* PEFT cannot merge it either */
} refused[] = {
    { "use_dora", "DoRA renormalises W + BA" },
    { "lora_bias", "a bias behind lora_B" },
    { "bias", "it trains the base's biases" },
    { "modules_to_save", "it replaces whole modules of the base" },
    { "trainable_token_indices", "it replaces rows of the embedding" },
    { "layer_replication", "it copies layers of the base" },
    { "use_qalora", "it pools the input", true },
    { "target_parameters", "it adapts expert weights" },
    { "alora_invocation_tokens", "it adapts only some tokens", true },
    { "arrow_config", "it routes between adapters", true },
    { "use_bdlora", "its factors are block-diagonal" },
    { "kasa_config", "it truncates the base's weights" },
};

static bool is_set(const json *j)
{
    if (json_text(j)) return strcmp(json_text(j), "none") != 0;
    if (json_is_array(j) || json_is_object(j)) return json_size(j) > 0;
    return json_is_true(j) || json_is_number(j);
}

int peft_check_config(const json *config, const char *where)
{
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        if (is_set(json_find(config, refused[i].field)))
            return input_error("%s: \"%s\" is set: %s, which is not supported; %s", where, refused[i].field,
                               refused[i].why, refused[i].no_merge ? elsewhere : peft_merge_hint(where));
    static const char *const residual[] = { "pissa", "olora", "corda", "loftq", "lora_ga", NULL };
    const char              *init       = json_text(json_find(config, "init_lora_weights"));
    for (int i = 0; init && residual[i]; i++)
        if (!strncmp(init, residual[i], strlen(residual[i])))
            return input_error(
                "%s: \"init_lora_weights\": \"%s\": its A and B belong to a changed base; save it with PEFT's "
                "path_initial_model_for_weight_conversion to make it a plain LoRA",
                where, init);
    return OK;
}
