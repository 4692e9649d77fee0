// SPDX-License-Identifier: Apache-2.0
// How many threads can compute at once here: what a machine has is not what a process may use of it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

namespace faceflow {

// The processors that this process may run on (its affinity), or as many as the processor time lasts for that its control groups
// grant (cpu.max of version 2, cpu.cfs_quota_us of version 1, the least on the way up), a part of one counted whole. At least 1.
// Reads a few small files; for the start of things.
[[nodiscard]] std::int32_t usable_processors();

// Processors' worth of time that the control groups of this process grant, such as 0.08; nullopt where nothing limits it. `root`: the
// folder that holds proc and whatever proc says is mounted.
[[nodiscard]] std::optional<double> granted_processors(const std::filesystem::path& root = "/");

// What becomes of the two: `allowed` by affinity.
[[nodiscard]] std::int32_t usable_processors(std::int32_t allowed, std::optional<double> granted) noexcept;

}  // namespace faceflow
