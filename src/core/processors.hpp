// SPDX-License-Identifier: Apache-2.0
// How many threads can compute at once: a process may not be allowed to use the whole machine.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

namespace faceflow::internal {

// The number of processors that this process may run on (its affinity), limited to the processor time that its control
// groups grant (cpu.max of version 2, cpu.cfs_quota_us of version 1, the minimum over all parents), rounded up. At
// least 1. Reads a few small files; for use at startup.
[[nodiscard]] std::int32_t usable_processors();

// Processor time granted by this process's control groups, in processors, such as 0.08; nullopt without a limit.
// `root`: the folder that contains proc and the mounts that proc lists.
[[nodiscard]] std::optional<double> granted_processors(const std::filesystem::path& root = "/");

// Combines the two limits; `allowed` is by affinity.
[[nodiscard]] std::int32_t usable_processors(std::int32_t allowed, std::optional<double> granted) noexcept;

}  // namespace faceflow::internal
