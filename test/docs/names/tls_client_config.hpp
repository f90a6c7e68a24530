#pragma once

// compile only: all_from_file("ca.pem")
