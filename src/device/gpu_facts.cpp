// SPDX-License-Identifier: Apache-2.0
#include "device/gpu_facts.hpp"

#include <fmt/format.h>

#include <charconv>
#include <cstdlib>
#include <filesystem>

namespace faceflow::internal {
namespace {

constexpr const char* usual_mps_folder = "/tmp/nvidia-mps";

// Checks one name of the list.
bool one_runs_on(std::string_view name, int wanted) {
    int number = 0;
    const char* const end = name.data() + name.size();
    const auto [stopped, problem] = std::from_chars(name.data(), end, number);
    if (problem != std::errc{}) return true;  // "native", "all"
    const std::string_view rest(stopped, static_cast<std::size_t>(end - stopped));
    // "90a" runs only on compute capability 9.0, as machine code and as PTX.
    if (!rest.empty() && rest.front() != '-') return number == wanted;
    const bool machine_code = rest != "-virtual", ptx = rest != "-real";
    return (ptx && wanted >= number) || (machine_code && wanted / 10 == number / 10 && wanted >= number);
}

// The instance part of a name such as "NVIDIA A100-SXM4-40GB MIG 1g.5gb".
std::string_view mig_instance(std::string_view name) {
    const auto at = name.find(" MIG ");
    return at == std::string_view::npos ? std::string_view() : name.substr(at + 1);
}

void remark_on(const gpu_card& card, const gpu_facts& facts, std::vector<std::string>& into) {
    const int i = card.index;
    if (const auto instance = mig_instance(card.name); !instance.empty()) {
        into.push_back(
            fmt::format("CUDA device {} is an instance of a card in MIG mode ({}): a share of its cores and memory; "
                        "NVML does not count "
                        "for instances, so summary.json has no figures of it, and memory is exported only to processes "
                        "on the same one, "
                        "which --flow shared needs",
                        i, instance));
    }
    if (!card.memory_pools) into.push_back(no_memory_pools(i));
    if (card.memory_pools && !card.exports_memory) {
        into.push_back(fmt::format(
            "CUDA device {} does not export memory to other processes: --flow shared cannot run on it, the others can",
            i));
    }
    if (!runs_on(facts.compiled_for, card.major, card.minor)) {
        into.push_back(
            fmt::format("CUDA device {} has compute capability {}.{}, and this program's kernels are compiled for {}: "
                        "build it with -DFACEFLOW_CUDA_ARCHITECTURES={}{} and a CUDA toolkit that knows that card",
                        i, card.major, card.minor, facts.compiled_for, card.major, card.minor));
    }
    if (card.compute_mode == gpu_card::mode::prohibited) {
        into.push_back(
            fmt::format("CUDA device {} is in the compute mode 'prohibited', in which no process may use it: "
                        "nvidia-smi -i {} -c DEFAULT",
                        i, i));
    }
    // With MPS, the server is the only process on the device.
    if (card.compute_mode == gpu_card::mode::exclusive && !facts.mps_runs) {
        into.push_back(
            fmt::format("CUDA device {} is in the compute mode 'exclusive process': the flows of several processes "
                        "(shared, cached, copied) need the default mode (nvidia-smi -i {} -c DEFAULT) or MPS",
                        i, i));
    }
}

}  // namespace

bool runs_on(std::string_view compiled_for, int major, int minor) {
    while (!compiled_for.empty()) {
        const auto cut = compiled_for.find_first_of(";,");
        if (one_runs_on(compiled_for.substr(0, cut), major * 10 + minor)) return true;
        compiled_for = cut == std::string_view::npos ? std::string_view() : compiled_for.substr(cut + 1);
    }
    return false;
}

std::string no_memory_pools(int index) {
    return fmt::format(
        "CUDA device {} has no stream-ordered memory pools; they need a newer driver, and in a virtual machine a GPU "
        "that is "
        "passed through whole",
        index);
}

std::vector<std::string> remarks_on(const gpu_facts& facts) {
    std::vector<std::string> all;
    for (const gpu_card& card : facts.cards)
        remark_on(card, facts, all);
    if (facts.mps_runs) {
        all.push_back(fmt::format(
            "an MPS server runs (its pipes are in {}): processes share a card through it, and a fault of one client "
            "can end the work of all",
            facts.mps_folder.value_or(usual_mps_folder)));
    } else if (facts.mps_folder) {
        all.push_back(
            fmt::format("CUDA_MPS_PIPE_DIRECTORY is '{}', but no MPS server has its control pipe there: start one "
                        "(nvidia-cuda-mps-control -d), or unset it",
                        *facts.mps_folder));
    }
    return all;
}

gpu_facts look_at_mps() {
    gpu_facts facts;
    if (const char* folder = std::getenv("CUDA_MPS_PIPE_DIRECTORY"); folder != nullptr && *folder != '\0')
        facts.mps_folder = folder;
    std::error_code ec;
    facts.mps_runs =
        std::filesystem::exists(std::filesystem::path(facts.mps_folder.value_or(usual_mps_folder)) / "control", ec);
    return facts;
}

}  // namespace faceflow::internal
