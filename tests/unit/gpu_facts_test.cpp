// SPDX-License-Identifier: Apache-2.0
// What `faceflow doctor` says of CUDA devices, from facts that no machine here has.
#include "device/gpu_facts.hpp"
#include "backends/back_end.hpp"

#include <gmock/gmock.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "support.hpp"

namespace faceflow::internal {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// A machine of which there is nothing to say.
gpu_facts plain() {
    gpu_facts f;
    f.compiled_for = "75-real;80-real;86-real;89-real;90";
    f.cards = {{0, "NVIDIA H100 80GB HBM3", 9, 0}};
    return f;
}

TEST(gpu_remarks, are_none_without_a_card_and_on_an_ordinary_one) {
    EXPECT_THAT(remarks_on({}), IsEmpty());
    EXPECT_THAT(remarks_on(plain()), IsEmpty());
}

TEST(gpu_remarks, name_the_mig_instance_and_what_it_lacks) {
    auto f = plain();
    f.cards[0].name = "NVIDIA H100 80GB HBM3 MIG 1g.10gb";
    EXPECT_THAT(remarks_on(f), ElementsAre(AllOf(HasSubstr("CUDA device 0"), HasSubstr("(MIG 1g.10gb)"),
                                                 HasSubstr("summary.json"), HasSubstr("shared"))));
}

TEST(gpu_remarks, tell_of_pools_that_are_missing_or_stay_in_their_process) {
    auto f = plain();
    f.cards[0].memory_pools = f.cards[0].exports_memory = false;
    EXPECT_THAT(remarks_on(f), ElementsAre(no_memory_pools(0))) << "what it has not, it cannot export: one sentence";
    f.cards[0].memory_pools = true;
    EXPECT_THAT(remarks_on(f), ElementsAre(AllOf(HasSubstr("does not export memory"), HasSubstr("--flow shared"))));
}

TEST(gpu_remarks, tell_of_a_card_that_no_kernel_was_compiled_for) {
    auto f = plain();
    f.cards.push_back({1, "NVIDIA GeForce GTX 1080", 6, 1});
    EXPECT_THAT(remarks_on(f), ElementsAre(AllOf(HasSubstr("CUDA device 1"), HasSubstr("capability 6.1"),
                                                 HasSubstr("75-real"), HasSubstr("FACEFLOW_CUDA_ARCHITECTURES=61"))));
}

TEST(gpu_remarks, tell_of_compute_modes_that_keep_processes_out) {
    auto f = plain();
    f.cards[0].index = 3;
    f.cards[0].compute_mode = gpu_card::mode::exclusive;
    EXPECT_THAT(remarks_on(f), ElementsAre(AllOf(HasSubstr("'exclusive process'"), HasSubstr("shared, cached, copied"),
                                                 HasSubstr("nvidia-smi -i 3 -c DEFAULT"), HasSubstr("MPS"))));
    f.cards[0].compute_mode = gpu_card::mode::prohibited;
    EXPECT_THAT(remarks_on(f), ElementsAre(AllOf(HasSubstr("'prohibited'"), HasSubstr("nvidia-smi -i 3 -c DEFAULT"))));
}

TEST(gpu_remarks, tell_of_an_mps_server_which_makes_the_exclusive_mode_do) {
    auto f = plain();
    f.mps_runs = true;
    f.cards[0].compute_mode = gpu_card::mode::exclusive;
    EXPECT_THAT(remarks_on(f), ElementsAre(AllOf(HasSubstr("MPS server runs"), HasSubstr("/tmp/nvidia-mps"))));
    f.mps_folder = "/run/mps";
    EXPECT_THAT(remarks_on(f), ElementsAre(HasSubstr("/run/mps")));
}

TEST(gpu_remarks, tell_of_mps_pipes_without_a_server) {
    auto f = plain();
    f.mps_folder = "/run/mps";
    EXPECT_THAT(remarks_on(f), ElementsAre(AllOf(HasSubstr("'/run/mps'"), HasSubstr("no MPS server"))));
}

TEST(compiled_kernels, run_where_machine_code_or_ptx_says_so) {
    const struct {
        const char* compiled_for;
        int major, minor;
        bool runs;
    } cases[] = {
        {"75-real", 7, 5, true},   {"75-real", 7, 0, false},  {"75-real", 8, 0, false},
        {"80-real", 8, 9, true},   {"86-real", 8, 0, false},  {"90", 9, 0, true},
        {"90", 12, 0, true},       {"90", 8, 9, false},       {"90-virtual", 10, 0, true},
        {"90a-real", 9, 0, true},  {"90a", 10, 0, false},     {"75-real,80-real;90-real", 8, 6, true},
        {"100-real", 10, 3, true}, {"100-real", 9, 0, false}, {"native", 6, 1, true},
        {"", 9, 0, false},
    };
    for (const auto& c : cases)
        EXPECT_EQ(runs_on(c.compiled_for, c.major, c.minor), c.runs)
            << c.compiled_for << " on " << c.major << "." << c.minor;
}

TEST(gpu_facts, find_the_pipes_of_an_mps_server_where_the_environment_says) {
    const test::temporary_folder pipes;
    ::setenv("CUDA_MPS_PIPE_DIRECTORY", pipes.path().c_str(), 1);
    EXPECT_FALSE(look_at_gpus().mps_runs);
    std::ofstream(pipes / "control") << "";
    const auto facts = look_at_gpus();
    ::unsetenv("CUDA_MPS_PIPE_DIRECTORY");
    EXPECT_TRUE(facts.mps_runs);
    EXPECT_EQ(facts.mps_folder, pipes.path().string());
}

}  // namespace
}  // namespace faceflow::internal
