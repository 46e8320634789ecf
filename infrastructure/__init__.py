"""The AWS half of the deployment, generated from the topology model with the AWS CDK. A stack a module."""
