# `make help` lists the targets, `make info` shows what was found. Needs what scripts/deps installs.
.DEFAULT_GOAL := build/tiebreak
MAKEFLAGS += --no-builtin-rules
CC     := $(if $(filter default undefined,$(origin CC)),gcc,$(CC))
CXX    := $(if $(filter default undefined,$(origin CXX)),g++,$(CXX))
CCACHE := $(shell command -v ccache)
B      ?= build
OPT    ?= -O3
SAN    ?=
WERROR ?= $(if $(CI),-Werror)
NVCC   ?= $(shell command -v nvcc)

# Folders of the program's code; scripts/tidy holds which may include which. CUDA's are listed apart.
ROOMS   := core kernels tokenizer datasets metrics model adapters tasks train eval eval/lm eval/served eval/lm_eval score bench sweep gate \
           reports cli
CUDA    := kernels/cuda kernels/cuda/ops kernels/cuda/variants kernels/cuda/emulator
FLAGS   := -g -Wno-unused-parameter $(OPT) -fopenmp -fno-math-errno -ffp-contract=off $(SAN) $(WERROR) -I. -I$(B)
CFLAGS  := -std=c11 -D_GNU_SOURCE -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wno-missing-field-initializers -Wno-pass-failed $(FLAGS)
CXXFLAGS := -std=c++17 -Wall -Wextra $(FLAGS)
LDLIBS  := -lcurl -lcjson -lpcre2-8 -lutf8proc -lcrypto -lbenchmark -lstdc++ -lpthread -lm

SOURCES := $(wildcard $(ROOMS:%=%/*.c))
TESTS   := $(filter %_test.c,$(SOURCES))
FUZZERS := $(filter %_fuzz.c,$(SOURCES))
LIBSRC  := $(filter-out $(TESTS) $(FUZZERS) cli/main.c,$(SOURCES)) $(wildcard $(ROOMS:%=%/*.cc))
LIBOBJ  := $(LIBSRC:%=$(B)/%.o) $(B)/tasks/builtin.o
TESTBIN := $(TESTS:%.c=$(B)/%)
CUDATEST := $(wildcard $(CUDA:%=%/*_test.cu))
CUDASRC := $(filter-out $(CUDATEST),$(wildcard $(CUDA:%=%/*.cu)))
TYPED   := $(wildcard $(CUDA:%=%/*_typed.cu))
FUZZBIN := $(FUZZERS:%.c=$(B)/%)

$(B)/tiebreak: $(B)/cli/main.c.o $(B)/libtiebreak.a
	@echo '  LINK $@'
	@$(CC) $(FLAGS) $^ -o $@ $(LDLIBS)

$(B)/libtiebreak.a: $(LIBOBJ)
	@rm -f $@
	@ar rcs $@ $^

$(B)/%.c.o: %.c $(B)/flags
	@mkdir -p $(@D)
	@echo '  CC   $<'
	@$(CCACHE) $(CC) $(CFLAGS) -MMD -MP -c $< -o $@
$(B)/%.cc.o: %.cc $(B)/flags
	@mkdir -p $(@D)
	@echo '  CXX  $<'
	@$(CCACHE) $(CXX) $(CXXFLAGS) -MMD -MP -c $< -o $@

# Built-in task files, inside the program: a table of (name, first byte, bytes).
$(B)/tasks/builtin.o: $(wildcard tasks/builtin/*.json) tasks/embed.sh
	@mkdir -p $(@D)
	@sh tasks/embed.sh tasks/builtin/*.json > $(B)/tasks/builtin.S
	@$(CC) -c $(B)/tasks/builtin.S -o $@

$(TESTBIN) $(FUZZBIN): $(B)/%: $(B)/%.c.o $(B)/libtiebreak.a
	@echo '  LINK $@'
	@$(CC) $(FLAGS) $(if $(findstring _fuzz,$@),$(FUZZ_LINK)) $^ -o $@ -lcmocka $(LDLIBS)

# The CUDA backend: by nvcc for GPUs, and by the C++ compiler against an emulator for tests, from the same sources; x_typed.cu once in f32, once in bf16.
CUDA_ARCH  ?= -gencode=arch=compute_80,code=sm_80 -gencode=arch=compute_90a,code=sm_90a \
              -gencode=arch=compute_80,code=compute_80 -gencode=arch=compute_90,code=compute_90
NVCC_FLAGS := -std=c++20 -O3 -lineinfo -Xcompiler -fPIC -I. $(CUDA_ARCH) $(if $(CI),-Werror all-warnings)
CUDAOBJ    := $(CUDASRC:kernels/cuda/%.cu=$(B)/cuda/%.o) $(TYPED:kernels/cuda/%.cu=$(B)/cuda/%.bf16.o)
AS_BF16     = $(if $(filter %.bf16.o,$@),-DTIEBREAK_BF16)
EMULATED   := $(CUDASRC:%=$(B)/%.o) $(TYPED:%=$(B)/%.bf16.o) $(patsubst %,$(B)/%.o,$(wildcard $(CUDA:%=%/*.cc)))

$(B)/libtiebreak-cuda.so: $(CUDAOBJ)
	@echo '  LINK $@'
	@$(NVCC) -shared $(CUDA_ARCH) $^ -o $@ -lcublas -Xlinker -rpath,$(abspath $(dir $(NVCC))/../lib64)
define nvcc
	@mkdir -p $(@D)
	@echo '  NVCC $<'
	@$(NVCC) $(NVCC_FLAGS) $(AS_BF16) -MMD -MP -MF $(@:.o=.d) -Xptxas -v -c $< -o $@ 2>$(@:.o=.ptxas) || { cat $(@:.o=.ptxas); exit 1; }
endef
$(B)/cuda/%.o: kernels/cuda/%.cu
	$(nvcc)
$(B)/cuda/%.bf16.o: kernels/cuda/%.cu
	$(nvcc)

# Tests of device code itself: a program for the GPU, build/cuda-test/x_test, and one for the emulator, build/kernels/cuda/x_test.
CUDATESTS := $(CUDATEST:kernels/cuda/%.cu=$(B)/cuda-test/%)
EMUTESTS  := $(CUDATEST:%.cu=$(B)/%)
$(B)/cuda-test/%.o: kernels/cuda/%.cu
	$(nvcc)
$(CUDATESTS): %: %.o $(CUDAOBJ)
	@echo '  LINK $@'
	@$(NVCC) $(CUDA_ARCH) $^ -o $@ -lcublas -lcmocka -Xlinker -rpath,$(abspath $(dir $(NVCC))/../lib64)
$(EMUTESTS): $(B)/%: $(B)/%.cu.o $(EMULATED)
	@echo '  LINK $@'
	@$(CXX) $(FLAGS) $^ -o $@ -lcmocka -lm
$(CUDATEST:%=$(B)/%.o): CXXFLAGS := -std=c++20 -Wall -Wextra -Wno-missing-field-initializers $(FLAGS)

$(B)/libtiebreak-cuda-emulated.so: $(EMULATED)
	@echo '  LINK $@'
	@$(CXX) $(FLAGS) -shared $^ -o $@ -lm
$(EMULATED): CXXFLAGS := -std=c++20 -Wall -Wextra -Wno-psabi -Wno-missing-field-initializers $(FLAGS) -fPIC
define emulated
	@mkdir -p $(@D)
	@echo '  CXX  $<'
	@$(CCACHE) $(CXX) -x c++ $(CXXFLAGS) $(AS_BF16) -MMD -MP -c $< -o $@
endef
$(B)/%.cu.o: %.cu $(B)/flags
	$(emulated)
$(B)/%.cu.bf16.o: %.cu $(B)/flags
	$(emulated)

# A change of compiler or flags rebuilds everything.
$(B)/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(CC) $(CFLAGS) | $(CXX) $(CXXFLAGS)' | cmp -s - $@ || echo '$(CC) $(CFLAGS) | $(CXX) $(CXXFLAGS)' > $@
	@printf '#define BUILD_COMPILER "%s"\n#define BUILD_FLAGS "%s"\n#define BUILD_COMMIT "%s"\n#define BUILD_DIRTY %s\n' \
	  "$$($(CC) --version | head -n 1)" "$(OPT) $(SAN)" "$$(git rev-parse -q --verify HEAD 2>/dev/null || echo unknown)" \
	  "$$(test -z "$$(git status --porcelain -uno 2>/dev/null)" && echo 0 || echo 1)" > $@.h.new
	@cmp -s $@.h.new $(B)/build_info.h && rm $@.h.new || mv $@.h.new $(B)/build_info.h
FORCE:

.PHONY: help info test sanitize fuzz bench report mini format tidy clean FORCE all tests cuda
all: $(B)/tiebreak tests ## the program and every test
tests: $(TESTBIN) $(EMUTESTS) $(B)/libtiebreak-cuda-emulated.so
ifeq ($(NVCC),)
cuda: ## the CUDA backend, build/libtiebreak-cuda.so; needs nvcc, no GPU
	@echo 'cuda: nvcc is not found, so the CUDA backend is left out. Install the CUDA Toolkit (12.3 or newer) from NVIDIA, or: make cuda NVCC=/path/to/nvcc'; exit 1
else
cuda: $(B)/libtiebreak-cuda.so $(CUDATESTS) ## the CUDA backend, build/libtiebreak-cuda.so; needs nvcc, no GPU
endif
test: ## parity, gradient and golden tests on the CPU; needs no GPU
	scripts/test --no-deps
sanitize: ## the same tests under ASan and UBSan
	scripts/test --no-deps --sanitize
fuzz: ## each fuzz target for a few seconds
	scripts/fuzz
bench: $(B)/tiebreak ## every bench case of the preset `mini`, briefly
	$(B)/tiebreak bench --filter shape=mini
mini: $(B)/tiebreak ## rebuild the miniature base and datasets from nothing
	scripts/mini
info: ## what was found on this machine
	@echo "compiler   $$($(CC) --version | head -n 1)"
	@echo "nvcc       $(if $(NVCC),$(NVCC): \`make cuda\` builds the CUDA backend,not found: the CUDA backend is left out; NVIDIA's CUDA Toolkit 12.3 or newer has it)"
	@echo "cuda       $(if $(wildcard $(B)/libtiebreak-cuda.so),$(B)/libtiebreak-cuda.so,not built)"
	@echo "flags      $(FLAGS)"
	@for p in cjson/cJSON.h pcre2.h utf8proc.h openssl/evp.h curl/curl.h benchmark/benchmark.h cmocka.h; do \
	  for d in /usr/include /usr/local/include /usr/include/x86_64-linux-gnu; do [ -e $$d/$$p ] && echo "found      $$d/$$p"; done; done; true
compile_commands.json: Makefile ## compile commands for editors
	@{ echo '['; first=1; for f in $(SOURCES); do [ $$first ] || echo ','; first=; \
	  printf '{"directory":"%s","file":"%s","command":"$(CC) $(CFLAGS) -c %s"}' "$(CURDIR)" $$f $$f; done; echo ']'; } > $@
format: ## clang-format in place
	clang-format -i $(foreach r,$(ROOMS) $(CUDA),$(wildcard $(r)/*.[ch] $(r)/*.cc $(r)/*.cu))
tidy: ## house rules: long lines, banned calls, leftovers
	scripts/tidy
help: ## list the targets
	@awk -F':.*## ' '/^[a-z_.-]+:.*## /{printf "  make %-22s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))
clean: ## remove what was built
	rm -rf $(B) compile_commands.json

-include $(shell find $(B) -name '*.d' 2>/dev/null)
