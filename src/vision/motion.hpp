// SPDX-License-Identifier: Apache-2.0
// A Kalman filter for one moving quantity.
#pragma once

#include <algorithm>
#include <cmath>

namespace faceflow::internal::vision {

// Position and velocity of one quantity, in its own unit and seconds. The velocity is an Ornstein-Uhlenbeck process: it
// lasts for about `memory` seconds, so a prediction over a short step is one of constant velocity, and one over a long
// step comes to rest instead of flying away (the family of R. Singer's model; X. R. Li, V. Jilkov, "Survey of
// maneuvering target tracking, part I", 2003). Filters of independent quantities are together the filter of a vector
// with a block-diagonal covariance. Not thread-safe; deterministic.
struct motion {
    double position = 0, velocity = 0;
    double pp = 0, pv = 0, vv = 0;  // covariance

    static motion at(double position, double noise, double speed) {
        return {position, 0, noise * noise, 0, speed * speed};
    }

    // `agitation`: standard deviation of the velocity's change over a second, in units / s^1.5.
    void predict(double seconds, double memory, double agitation) {
        const double gone = -std::expm1(-seconds / memory);  // share of the velocity that is lost
        const double keep = 1 - gone, reach = memory * gone;
        position += reach * velocity;
        velocity *= keep;

        const double q = agitation * agitation;
        const double spread = seconds - 2 * reach + 0.5 * memory * (1 - keep * keep);
        pp += 2 * reach * pv + reach * reach * vv + q * memory * memory * std::max(0.0, spread);
        pv = keep * (pv + reach * vv) + 0.5 * q * reach * reach;
        vv = keep * keep * vv + 0.5 * q * memory * (1 - keep * keep);
    }

    // `noise`: standard deviation of the measured value.
    void correct(double measured, double noise) {
        const double s = pp + noise * noise;
        const double kp = pp / s, kv = pv / s, surprise = measured - position;
        position += kp * surprise;
        velocity += kv * surprise;
        vv -= kv * pv;
        pv -= kp * pv;
        pp -= kp * pp;
    }
};

}  // namespace faceflow::internal::vision
