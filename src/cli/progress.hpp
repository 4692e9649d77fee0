// SPDX-License-Identifier: Apache-2.0
// The progress line of a run on a terminal's standard error.
#pragma once

#include <cstdio>
#include <string>

#include "engine/run.hpp"

namespace faceflow::internal::cli {

class progress_line {
public:
    explicit progress_line(bool quiet);
    ~progress_line();  // clears the line
    void show(const run_progress& p);
    // Prints a permanent line above the progress line. Thread-safe.
    void note(const std::string& text) const;

private:
    const bool shown_;
};

}  // namespace faceflow::internal::cli
